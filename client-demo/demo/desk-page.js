import { mountDesk } from './desk.js'
import { mountWithToken } from './token.js'
import { mountWire } from './wire.js'

const agentId = new URLSearchParams(location.search).get('agent') || undefined
const onMessage = mountWire(document.getElementById('wire'))
const place = document.getElementById('desk')
mountWithToken(place, (token) => {
  const agent = mountDesk(place, { agentId, token, onMessage })
  agent.on('change', ({ notifications }) => {
    const ringing = notifications.length ? `(${notifications.length}) ` : ''
    document.title = `${ringing}${agent.agentId} · deskbell`
  })
  return agent
})
