// The dialog that lists the keyboard shortcuts, and turns them off. Loaded when it is first opened.

import { element } from './dom.js'
import { onPreferences, prefer, preferences } from './preferences.js'

export { KEYS } from './styles/keys.js'

/**
 * @param {import('./shortcuts.js').Key[]} keys @param {import('./texts.js').Texts} texts @param {AbortSignal} signal
 * @returns {HTMLDialogElement}
 */
export function keysDialog(keys, texts, signal) {
  const letters = element('input', { type: 'checkbox', change: () => prefer({ letters: letters.checked }) })
  const show = () => {
    letters.checked = preferences().letters
  }
  onPreferences(show, signal)
  show()
  const name = (one) => (one.startsWith('key.') ? ` ${texts.text(one)} ` : element('kbd', {}, one))
  const row = ({ shown, does }) =>
    element('div', {}, element('dt', {}, ...shown.map(name)), element('dd', {}, texts.text(does)))
  const dialog = element(
    'dialog',
    { class: 'keys', part: 'dialog', 'aria-labelledby': 'keys-title' },
    element('h2', { id: 'keys-title' }, texts.text('keys.title')),
    element('dl', {}, ...keys.map(row), row({ shown: ['?'], does: 'keys.list' })),
    element('label', {}, letters, ' ', texts.text('keys.enable')),
    element('p', { class: 'small' }, texts.text('keys.explain')),
    element('button', { type: 'button', autofocus: true, click: () => dialog.close() }, texts.text('keys.close')),
  )
  // A click beside it closes it, but not a press that began inside, as to select some words.
  let beside = false
  dialog.addEventListener('pointerdown', (event) => {
    beside = event.target === dialog
  })
  dialog.addEventListener('click', (event) => {
    if (beside && event.target === dialog) dialog.close()
  })
  return dialog
}
