// Keyboard shortcuts, and the dialog that lists them.

import { element, focusIn, isCovered } from './dom.js'
import { onPreferences, prefer, preferences } from './preferences.js'

/**
 * @typedef {object} Key
 * @property {string[]} keys as `KeyboardEvent.key` names them, lower case
 * @property {string[]} shown the names of keys; `key.or` and `key.to` between them are texts
 * @property {string} does the key of a text
 * @property {(key: string) => unknown} act
 * @property {boolean} [types] whether it opens a field, so that the next keys are text
 */

/**
 * @param {EventTarget} target where keys are heard
 * @param {HTMLElement} desk keys are heard while it is on the page
 * @param {Key[]} keys
 * @param {{ guard: import('./click-guard.js').KeyGuard, refused: () => void, open: () => void, signal: AbortSignal }}
 *   options `refused` is called for each key that was ignored, `open` for `?`
 */
export function listenForKeys(target, desk, keys, { guard, refused, open, signal }) {
  const byName = new Map(keys.flatMap((one) => one.keys.map((name) => [name, one])))
  target.addEventListener(
    'keydown',
    (event) => {
      const { key, ctrlKey, altKey, metaKey, isComposing, defaultPrevented, repeat } = /** @type {KeyboardEvent} */ (
        event
      )
      if (!desk.isConnected || defaultPrevented || ctrlKey || altKey || metaKey || isComposing || repeat) return
      if (isCovered(desk)) return
      // The event of a shadow tree names its host.
      const from = /** @type {Element} */ (event.composedPath()[0])
      if (isTyping(from)) return
      const name = key.toLowerCase()
      const one = byName.get(name)
      if (name.length === 1 && name !== '?' && !preferences().letters) return
      // An arrow moves a slider, and scrolls if nothing is selected.
      if (name.startsWith('arrow') && !from.closest?.('.cards, .sessions')) return
      if (guard.holds(name, one)) refused()
      else if (name === '?') open()
      else if (!one || one.act(name) === false) return
      else if (one.types && !isTyping(focusIn(desk) ?? from)) guard.typing()
      event.preventDefault()
    },
    { signal },
  )
}

function isTyping(node) {
  return node.matches?.('input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]')
}

/**
 * The dialog that lists the keys, and turns them off.
 * @param {Key[]} keys @param {import('./texts.js').Texts} texts @param {AbortSignal} signal
 */
export function keysDialog(keys, texts, signal) {
  const letters = element('input', { type: 'checkbox', change: () => prefer({ letters: letters.checked }) })
  const show = () => {
    letters.checked = preferences().letters
  }
  onPreferences(show, signal)
  show()
  const name = (one) => (one.startsWith('key.') && one.length > 4 ? ` ${texts.text(one)} ` : element('kbd', {}, one))
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
  return {
    dialog,
    open: () => {
      if (!dialog.open) dialog.showModal()
    },
  }
}
