// Every message on the wire, newest last.

import { element } from '../sdk/desk/dom.js'
import { holdWhilePressed } from '../sdk/desk/click-guard.js'

const ROWS_MAX = 300
const SUMMARY_MAX = 160
const AT_END_PX = 40

/**
 * Puts the log into `place`.
 * @param {HTMLElement} place
 * @returns {(who: string, event: { direction: 'in' | 'out', message: any }) => void} what to call with each message
 */
export function mountMessageLog(place) {
  const rows = element('ol')
  // Scrolls to the newest message while the end is in view, but not during a press or away from an opened message.
  let follows = true
  const log = element('div', { role: 'log', 'aria-label': 'Wire log', 'aria-live': 'off', tabindex: 0 }, rows)
  const pause = element('input', { type: 'checkbox' })
  place.replaceChildren(
    element(
      'section',
      { class: 'panel wire', 'aria-labelledby': 'wire-title' },
      element(
        'header',
        {},
        element('h2', { id: 'wire-title' }, 'On the wire'),
        element('label', {}, pause, ' Pause'),
        element(
          'button',
          {
            type: 'button',
            class: 'quiet',
            click: () => {
              rows.replaceChildren()
              follows = true
            },
          },
          'Clear',
        ),
      ),
      log,
    ),
  )
  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < AT_END_PX
  const settle = () => {
    while (rows.children.length > ROWS_MAX) rows.firstChild.remove()
    if (follows) log.scrollTop = log.scrollHeight
  }
  const held = holdWhilePressed(log, settle)
  log.addEventListener('scroll', () => {
    if (!held()) follows = isAtEnd()
  })
  log.addEventListener('click', ({ target }) => {
    if (/** @type {Element} */ (target).closest('summary')) follows = false
  })
  return (who, { direction, message }) => {
    if (pause.checked) return
    rows.append(row(who, direction, message))
    if (!held() || rows.children.length > 2 * ROWS_MAX) settle()
  }
}

function row(who, direction, message) {
  const { type, ...rest } = message
  const text = JSON.stringify(rest)
  const details = element(
    'details',
    {
      toggle: () => {
        if (details.children.length === 1) details.append(element('pre', {}, JSON.stringify(message, null, 2)))
      },
    },
    element(
      'summary',
      {},
      element('time', {}, new Date().toISOString().slice(11, 23)),
      element('span', { class: 'who' }, direction === 'out' ? `${who} → hub` : `hub → ${who}`),
      element('b', {}, String(type)),
      element('code', {}, text.length > SUMMARY_MAX ? `${text.slice(0, SUMMARY_MAX)}…` : text),
    ),
  )
  return element('li', { class: direction }, details)
}
