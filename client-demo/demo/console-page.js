import { mountProviderConsole } from './provider-console.js'
import { mountWithToken } from './token-form.js'
import { mountMessageLog } from './message-log.js'

const onMessage = mountMessageLog(document.getElementById('wire'))
const place = document.getElementById('console')
mountWithToken(place, 'provider', (token) => mountProviderConsole(place, { token, onMessage }))
