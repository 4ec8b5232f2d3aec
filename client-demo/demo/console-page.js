import { mountConsole } from './console.js'
import { mountWire } from './wire.js'

const onMessage = mountWire(document.getElementById('wire'))
mountConsole(document.getElementById('console'), { onMessage })
