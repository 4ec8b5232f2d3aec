// A click that was already on its way never lands on what has just taken the place it was aimed at.

/** Longer than a person takes from seeing that something moved to holding back the finger. */
const GUARD_MS = 600

/**
 * @param {HTMLElement} root
 * @param {string} selector what may move: for each, where it lay is remembered for a moment
 * @param {(node: Element) => void} refused told of each click that was held back
 * @returns {() => void} to be called often, at least each 150 ms: it takes down where everything lies now
 */
export function guardClicks(root, selector, refused) {
  /** @type {{ at: number, boxes: { node: Element, left: number, top: number, right: number, bottom: number }[] }[]} */
  let history = []
  const note = () => {
    const boxes = [...root.querySelectorAll(selector)].map((node) => {
      const { left, top, right, bottom } = node.getBoundingClientRect()
      return { node, left: left + scrollX, top: top + scrollY, right: right + scrollX, bottom: bottom + scrollY }
    })
    const at = performance.now()
    // The last one before the moment still held when it began.
    const begin = history.findLastIndex((one) => one.at < at - GUARD_MS)
    history = [...history.slice(Math.max(0, begin)), { at, boxes }]
  }
  root.addEventListener('click', (event) => {
    // Keys and scripts aim at a thing, not at a place.
    if (!event.detail) return
    const hit = /** @type {Element} */ (event.target).closest(selector)
    if (!hit) return
    const began = performance.now() - GUARD_MS
    const held = history.filter(({ at }, index) => at >= began || (history[index + 1]?.at ?? Infinity) > began)
    const wasAnother = held.some(({ boxes }) => boxes.some(({ node, left, top, right, bottom }) => (
      node !== hit && !hit.contains(node) && event.pageX >= left && event.pageX < right && event.pageY >= top && event.pageY < bottom)))
    if (!wasAnother) return
    event.preventDefault()
    event.stopPropagation()
    refused(hit)
  }, true)
  return note
}
