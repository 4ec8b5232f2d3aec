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

/** Sets the text only if it differs, so that a screen reader does not announce the same text again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/**
 * Brings a list's children in line with `items`. An item that stays keeps its node, and so its focus and its input.
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

/**
 * The focused element of the document or shadow tree that has this node.
 * @param {Node} node @returns {Element | null}
 */
export function focusIn(node) {
  const root = node.getRootNode()
  return root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null
}

/**
 * Whether a modal dialog covers the page, in the document or in the shadow tree that has this node.
 * @param {Node} node
 */
export function isCovered(node) {
  const root = /** @type {ParentNode & Node} */ (node.getRootNode())
  return Boolean(document.querySelector('dialog:modal') ?? root.querySelector?.('dialog:modal'))
}

/**
 * A title from a template, as it was filled in: the values in it are isolated, because a name may be written in the
 * other direction.
 * @param {readonly string[]} values
 * @returns {(string | Node)[]}
 */
export function isolated(title, values) {
  const value = values.filter((one) => one && title.includes(one)).sort((a, b) => b.length - a.length)[0]
  if (!value) return [title]
  const at = title.indexOf(value)
  const rest = values.filter((one) => one !== value)
  return [
    ...isolated(title.slice(0, at), rest),
    element('bdi', {}, value),
    ...isolated(title.slice(at + value.length), rest),
  ]
}
