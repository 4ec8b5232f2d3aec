// Shortens ids to as few characters as still tell them apart.

const SHORT_MAX = 16
const KEPT = 8

/**
 * The last characters of each long id. For ids with the same ending, the characters before that ending.
 * @param {readonly string[]} ids
 * @returns {Map<string, string>} by id; an id that is short stays as it is
 */
export function shortIds(ids) {
  const shown = new Map()
  const groups = groupBy(new Set(ids))
  for (const group of groups.values()) {
    const cut = group.length > 1 ? commonEnd(group) : 0
    for (const id of group) shown.set(id, shorten(id, cut))
  }
  const counts = new Map()
  for (const text of shown.values()) counts.set(text, (counts.get(text) ?? 0) + 1)
  for (const [id, text] of shown) if (/** @type {number} */ (counts.get(text)) > 1) shown.set(id, id)
  return shown
}

function shorten(id, cut) {
  if (id.length <= SHORT_MAX) return id
  const end = id.length - cut
  const begin = Math.max(0, end - KEPT)
  return `${begin ? '…' : ''}${id.slice(begin, end)}${cut ? '…' : ''}`
}

function commonEnd(ids) {
  const [first] = ids
  let length = 0
  while (ids.every((id) => length < id.length && id.at(-1 - length) === first.at(-1 - length))) length++
  return length
}

function groupBy(ids) {
  const groups = new Map()
  for (const id of ids) groups.set(id.slice(-KEPT), [...(groups.get(id.slice(-KEPT)) ?? []), id])
  return groups
}
