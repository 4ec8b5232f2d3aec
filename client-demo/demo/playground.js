import { mountConsole } from './console.js'
import { mountDesk } from './desk.js'
import { mountWire } from './wire.js'

const place = (id) => document.getElementById(id)
const onMessage = mountWire(place('wire'))
mountDesk(place('desk-ada'), { agentId: 'ada', onMessage })
mountDesk(place('desk-bob'), { agentId: 'bob', onMessage })
mountConsole(place('console'), { onMessage })
