import { mountDesk } from './desk.js'
import { mountWire } from './wire.js'

const agentId = new URLSearchParams(location.search).get('agent') || undefined
const onMessage = mountWire(document.getElementById('wire'))
const agent = mountDesk(document.getElementById('desk'), { agentId, onMessage })
agent.on('change', ({ notifications }) => {
  const ringing = notifications.length ? `(${notifications.length}) ` : ''
  document.title = `${ringing}${agent.agentId} · deskbell`
})
