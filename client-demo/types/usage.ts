// Code as people write it against the SDK: it has to compile, and what is marked must not.

import { Agent, install, Provider, type CallError, type Outcome } from '../sdk/deskbell.js'

const provider: Provider = await install('/ws', { providerId: 'chat-bot-1', token: async () => 'a.b.c' })

Microsoft.CIFramework.notifyEvent({ templateName: 'msdyn_call_incoming', templateParameters: { customerName: 'Grace', calls: 3 } })
  .then(
    function success(result) {
      const outcome: Outcome = result.value
      if (outcome.actionName === 'Timeout') outcome.responseReason satisfies 'DisplayTimeout'
    },
    function (error: CallError) {
      console.log(error.message, error.msdyn_name, error.detail)
    },
  )
Microsoft.CIFramework.notifyKpiBreach('conv-42', true, 'answered').then((result) => result.value satisfies null)

const stop: () => void = provider.on('result', ({ reach, position }) => console.log(reach.seen, position))
stop()
provider.on('state', ({ state, retryInMs }) => console.log(state, retryInMs))
const welcome = await provider.ready
welcome.open.map((one) => one.cancellationToken)

const agent = new Agent(new URL('ws://localhost:8080/ws'), { agentId: 'ada', groups: ['billing'], presence: 'available' })
agent.on('notification', (notification) => agent.seen(notification.notificationId))
agent.on('change', (desk) => desk.notifications.map((one) => desk.remainingMs(one)))
const { won, value } = await agent.reject('n-1', 'on break')
if (!won && value === null) await agent.setPresence('away')

// @ts-expect-error there is no such presence
agent.setPresence('busy')
// @ts-expect-error a template has a name
provider.notify({})
// @ts-expect-error the desk's arrays are for reading
agent.notifications.push(agent.notifications[0])
// @ts-expect-error there is no such event
provider.on('notification', () => {})
