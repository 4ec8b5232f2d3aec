import { mountProviderConsole } from './provider-console.js'
import { mountDesk } from './desk.js'
import { mountWithToken } from './token-form.js'
import { mountMessageLog } from './message-log.js'

const place = (id) => document.getElementById(id)
const onMessage = mountMessageLog(place('wire'))
for (const agentId of ['ada', 'bob']) {
  const desk = place(`desk-${agentId}`)
  const attributes = { silent: true, layout: 'panel', language: 'en' }
  mountWithToken(desk, 'agent', (token) => mountDesk(desk, { agentId, token, attributes, onMessage }).client)
}
mountWithToken(place('console'), 'provider', (token) =>
  mountProviderConsole(place('console'), { token, onMessage, playground: true }),
)
