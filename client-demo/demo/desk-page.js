import { mountDesk } from './desk.js'
import { mountWithToken } from './token-form.js'
import { mountMessageLog } from './message-log.js'

const here = new URL(location.href)
const agentId = here.searchParams.get('agent') || undefined
const onMessage = mountMessageLog(document.getElementById('wire'))
const place = document.getElementById('desk')
mountWithToken(place, 'agent', (token) => {
  const agent = mountDesk(place, { agentId, token, alone: true, onMessage })
  agent.on('welcome', (welcome) => {
    // A name that the hub made up is kept in the address: after a reload it is the same desk.
    if (agentId || token) return
    here.searchParams.set('agent', welcome.agentId)
    history.replaceState(null, '', here)
  })
  return agent
})
