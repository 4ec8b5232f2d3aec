import { mountCaller } from './caller.js'
import { mountDesk } from './desk.js'
import { mountWithToken } from './token.js'
import { mountWire } from './wire.js'

const place = (id) => document.getElementById(id)
const onMessage = mountWire(place('wire'))
for (const agentId of ['ada', 'bob']) {
  const desk = place(`desk-${agentId}`)
  mountWithToken(desk, 'agent', (token) => mountDesk(desk, { agentId, token, onMessage }))
}
mountWithToken(place('console'), 'provider', (token) =>
  mountCaller(place('console'), { token, onMessage, playground: true }),
)
