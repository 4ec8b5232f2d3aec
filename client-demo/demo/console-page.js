import { mountProviderConsole } from './provider-console.js'
import { mountWithSignIn } from './token-form.js'
import { mountMessageLog } from './message-log.js'

const onMessage = mountMessageLog(document.getElementById('wire'))
const place = document.getElementById('console')
mountWithSignIn(place, 'provider', (token) => mountProviderConsole(place, { token, onMessage }))
