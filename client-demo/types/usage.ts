// Code as people write it against the SDK: it has to compile, and what is marked must not.

import { Agent, install, Observer, Provider, type CallError, type Outcome } from '../sdk/deskbell.js'

const provider: Provider = await install('/ws', { providerId: 'chat-bot-1', token: async () => 'a.b.c' })

Microsoft.CIFramework.notifyEvent({
  templateName: 'msdyn_call_incoming',
  templateParameters: { customerName: 'Grace', calls: 3 },
}).then(
  function success(result) {
    const outcome: Outcome = result.value
    if (outcome.actionName === 'Timeout') outcome.responseReason satisfies 'DisplayTimeout'
  },
  function (error: CallError) {
    console.log(error.message, error.msdyn_name, error.detail)
  },
)
Microsoft.CIFramework.notifyKpiBreach('conv-42', true, null, 'any text').then((result) => result.value satisfies null)
// Results can be read as a JSON text, too; a parameter can be an object.
Microsoft.CIFramework.notifyEvent({ templateName: 'chat', templateParameters: { customer: { name: 'Grace' } } }).then(
  (result) => (JSON.parse(result) as Outcome).actionName === result.value.actionName,
)

const stop: () => void = provider.on('result', ({ reach, position }) => console.log(reach.seen, position))
stop()
provider.on('state', ({ state, retryInMs }) => console.log(state, retryInMs))
const welcome = await provider.ready
welcome.open.map((one) => one.cancellationToken)

const agent = new Agent(new URL('ws://localhost:8080/ws'), {
  agentId: 'ada',
  groups: ['billing'],
  presence: 'available',
})
agent.on('notification', (notification) => agent.seen(notification.notificationId))
agent.on('change', (desk) => desk.notifications.map((one) => desk.remainingMs(one)))
const { won, value } = await agent.reject('n-1', 'on break')
if (!won && value === null) await agent.setPresence('away')

await agent.accept('n-1', { signal: AbortSignal.timeout(5_000), timeoutMs: 2_000 })
await provider
  .cancel('tok-1', { correlationId: '7f9c24e8-0d3c-4a1b-9b1e-5f6a7b8c9d0e' })
  .catch(({ code }: CallError) => code === 'timeout')
agent.on('kpi', ({ breached, details }) => console.log(breached, details?.length), {
  once: true,
  signal: new AbortController().signal,
})
const { state, since, retryInMs = 0 } = agent.connection
if (state === 'waiting') new Date(since + retryInMs)

const observer = new Observer('/ws', { token: () => 'a.b.c' })
observer.on('event', ({ event, value }) => {
  if (event === 'settled') value?.actionName
})
observer.on('stats', ({ outcomes }) => outcomes.DisplayTimeout)

// @ts-expect-error there is no such option
agent.accept('n-1', { timeout: 5 })
// @ts-expect-error the detail of a result has no title
provider.on('result', ({ title }) => title)
// @ts-expect-error there is no such presence
agent.setPresence('busy')
// @ts-expect-error a template has a name
provider.notify({})
// @ts-expect-error the desk's arrays are for reading
agent.notifications.push(agent.notifications[0])
// @ts-expect-error there is no such event
provider.on('notification', () => {})
