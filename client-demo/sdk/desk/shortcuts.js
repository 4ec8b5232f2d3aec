// Keys for everything, and the page that lists them.

import { element } from './dom.js'
import { onPreferences, prefer, preferences } from './preferences.js'

/**
 * @typedef {object} Key
 * @property {string[]} keys as `KeyboardEvent.key` names them, lower case
 * @property {string} shown
 * @property {string} does
 * @property {(key: string) => unknown} act
 * @property {boolean} [types] whether it opens a field, so that what follows is typed
 */

/**
 * @param {EventTarget} target where keys are heard
 * @param {Element} desk as long as it is on the page
 * @param {Key[]} keys
 * @param {import('./click-guard.js').KeyGuard} guard
 * @param {() => void} refused told of each key that was held back
 * @returns what opens the list, and the list itself
 */
export function listenForKeys(target, desk, keys, guard, refused) {
  const { dialog, open } = help(keys)
  const byName = new Map(keys.flatMap((one) => one.keys.map((name) => [name, one])))
  target.addEventListener('keydown', (event) => {
    const { key, ctrlKey, altKey, metaKey, isComposing, defaultPrevented, repeat } = /** @type {KeyboardEvent} */ (
      event
    )
    if (
      !desk.isConnected ||
      defaultPrevented ||
      ctrlKey ||
      altKey ||
      metaKey ||
      isComposing ||
      repeat ||
      document.querySelector('dialog:modal')
    )
      return
    const from = /** @type {Element} */ (event.target)
    if (isTyping(from)) return
    const name = key.toLowerCase()
    const one = byName.get(name)
    if (name.length === 1 && name !== '?' && !preferences().letters) return
    // An arrow moves a slider, and scrolls where nothing is chosen.
    if (name.startsWith('arrow') && !from.closest('.cards, .sessions')) return
    if (guard.holds(name, one)) refused()
    else if (name === '?') open()
    else if (!one || one.act(name) === false) return
    else if (one.types && !isTyping(document.activeElement ?? from)) guard.typing()
    event.preventDefault()
  })
  return { dialog, open }
}

function isTyping(node) {
  return node.matches('input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]')
}

/** @param {Key[]} keys */
function help(keys) {
  const id = `keys-${Math.random().toString(36).slice(2)}`
  const letters = element('input', { type: 'checkbox', change: () => prefer({ letters: letters.checked }) })
  const show = () => {
    letters.checked = preferences().letters
  }
  onPreferences(show)
  show()
  const rows = [...keys, { shown: '?', does: 'show this list', keys: [] }]
  const dialog = element(
    'dialog',
    { class: 'keys', 'aria-labelledby': id },
    element('h2', { id }, 'Keys'),
    element(
      'dl',
      {},
      ...rows
        .filter(({ shown }) => shown)
        .map(({ shown, does }) =>
          element(
            'div',
            {},
            element(
              'dt',
              {},
              ...shown.split(' ').map((one) => (one === 'or' || one === 'to' ? ` ${one} ` : element('kbd', {}, one))),
            ),
            element('dd', {}, does),
          ),
        ),
    ),
    element('label', {}, letters, ' Letters and digits work as keys'),
    element(
      'p',
      { class: 'small' },
      'Turn that off if you speak to your computer, or type by accident. Tab, Enter and the space bar always work.',
    ),
    element('button', { type: 'button', autofocus: true, click: () => dialog.close() }, 'Close'),
  )
  // Beside it; a press that began in it, as to select some words, is none of that.
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
