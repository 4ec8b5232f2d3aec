// Keyboard shortcuts.

import { focusIn, isCovered } from './dom.js'
import { preferences } from './preferences.js'

/**
 * @typedef {object} Key
 * @property {string[]} keys as `KeyboardEvent.key` names them, lower case
 * @property {string[]} shown the names of keys; `key.or` and `key.to` between them are texts
 * @property {string} does the key of a text
 * @property {(key: string) => unknown} act
 * @property {boolean} [types] whether it opens a field, so that the next keys are text
 */

/**
 * Listens on `target` while `desk` is on the page. `refused` is called for each key that was ignored, `open` for `?`.
 * @param {EventTarget} target @param {HTMLElement} desk @param {Key[]} keys @param {any} options
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
