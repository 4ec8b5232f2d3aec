import { mountCaller } from './caller.js'
import { mountWithToken } from './token.js'
import { mountWire } from './wire.js'

const onMessage = mountWire(document.getElementById('wire'))
const place = document.getElementById('console')
mountWithToken(place, 'provider', (token) => mountCaller(place, { token, onMessage }))
