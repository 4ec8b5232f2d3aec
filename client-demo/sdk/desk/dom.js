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

/** An id in so few characters that it fits, as it is where it is short; the whole of it is the tooltip. */
export function shortId(id) {
  return element('span', { title: id }, id.length > 20 ? `…${id.slice(-8)}` : id)
}

/** `2:05`, and `0:09` below. */
export function clock(ms) {
  const seconds = Math.ceil(ms / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
