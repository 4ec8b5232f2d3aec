// Ids and durations in few characters, for the pages of developers and supervisors.

import { element } from '../sdk/desk/dom.js'

/** An id of which only the end is shown if it is long; the whole id is the tooltip. @param {string} id */
export function shortId(id) {
  return element('span', { title: id }, id.length > 20 ? `…${id.slice(-8)}` : id)
}

/** `2:05`, and `0:09` below a minute. @param {number} ms */
export function clock(ms) {
  const seconds = Math.ceil(ms / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
