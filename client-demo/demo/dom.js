// Small helpers to build pages. Whatever comes from the wire becomes text here, never markup.

/**
 * Makes an element. Children are nodes or text; a property that is a function listens to the event of its name.
 * @param {string} tag
 * @param {Record<string, any>} [properties] attributes, `class` among them; absent where undefined or false
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') node.addEventListener(name, value)
    else if (value === true) node.setAttribute(name, '')
    else if (value !== undefined && value !== false) node.setAttribute(name, String(value))
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false))
  return node
}

/** Sets the text only where it differs, so that a screen reader is not told the same twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/**
 * Brings a list's children in line with `items`: what stays keeps its node, and so its focus and what is typed in it.
 * @template T
 * @param {HTMLElement} list
 * @param {readonly T[]} items
 * @param {(item: T) => string} key
 * @param {(item: T) => HTMLElement & { update?(item: T): void }} build
 */
export function reconcile(list, items, key, build) {
  const old = new Map([...list.children].map((node) => [/** @type {any} */ (node).key, node]))
  items.forEach((item, index) => {
    const node = /** @type {any} */ (old.get(key(item)) ?? build(item))
    node.key = key(item)
    old.delete(node.key)
    node.update?.(item)
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null)
  })
  for (const node of old.values()) node.remove()
}

const ICONS = {
  chat: 'M4 5h16v11H10l-4 4v-4H4z',
  phone: 'M7 3l3 5-2 2c1 3 3 5 6 6l2-2 5 3-2 4C10 21 3 14 3 5z',
  sms: 'M3 6h18v12H3z M3 7l9 7 9-7',
  bell: 'M5 17a7 7 0 0 1 14 0z M4 20h16 M12 10V6',
}
const ALIASES = { call: 'phone', voice: 'phone', mail: 'sms', message: 'sms' }

/** A template's icon by its name; the bell for a name that is not known here. */
export function icon(name = 'bell') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 24 24')
  svg.setAttribute('aria-hidden', 'true')
  svg.setAttribute('class', 'icon')
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  const known = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name
  path.setAttribute('d', Object.hasOwn(ICONS, known) ? ICONS[known] : ICONS.bell)
  svg.append(path)
  return svg
}

/** A line that tells how the client's connection is, and keeps telling. */
export function connectionState(client) {
  const chip = element('span', { class: 'chip', role: 'status', 'aria-label': 'Connection' })
  const show = ({ state, reason, retryInMs }) => {
    chip.dataset.state = state
    setText(chip, {
      connecting: 'connecting …',
      open: 'connected',
      waiting: `connection lost, back in ${((retryInMs ?? 0) / 1_000).toFixed(1)} s`,
      closed: `closed: ${reason}`,
    }[state])
  }
  client.on('state', show)
  show({ state: client.state })
  return chip
}

/** An id in so few characters that it fits, as it is where it is short; the whole of it is the tooltip. */
export function shortId(id) {
  return element('span', { title: id }, id.length > 20 ? `…${id.slice(-8)}` : id)
}

/** `2:05`, and `0:09` below. */
export function clock(ms) {
  const seconds = Math.ceil(ms / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
