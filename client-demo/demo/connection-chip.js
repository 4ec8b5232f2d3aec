// A short line that always says whether a client is connected.

import { element, setText } from '../sdk/desk/dom.js'
import { connectionInWords, nextTryInWords } from './outcome-text.js'

const UPDATE_MS = 1_000

/** @param {import('../sdk/deskbell.js').Agent | import('../sdk/deskbell.js').Provider | any} client */
export function connectionChip(client) {
  const words = element('span')
  // A screen reader should not read the countdown every second.
  const next = element('span', { 'aria-hidden': 'true' })
  const chip = element('span', { class: 'chip', role: 'status', 'aria-label': 'Connection' }, words, next)
  const show = () => {
    chip.dataset.state = client.state
    setText(words, connectionInWords(client.connection))
    setText(next, nextTryInWords(client.connection))
  }
  const timer = setInterval(show, UPDATE_MS)
  client.on('state', show)
  client.on('close', () => clearInterval(timer))
  show()
  return chip
}
