// Prevents accidental answers: a click or a key aimed at one control must not hit another that has just taken its
// place, and a pressed control stays where it is until the click is complete.

/** Longest time from the release to the click. A touch takes longest, because it may become a double tap. */
const CLICK_MS = 350
/** Longer than a person needs to see that something moved, and to hold back the finger. */
const GUARD_MS = 600
/** Keys in such quick succession are text that is being typed. */
const TYPING_MS = 1_000
/** A point this close to a control was meant for it. */
const AIM_PX = 12
/** What can be pressed in a card or a row. */
const CONTROLS = 'button:enabled, input:enabled'

/** @typedef {{ owner: Element, left: number, top: number, right: number, bottom: number }} Box */

/**
 * Refuses a click on a button if a control of another card or row was at that point, or close to it, a moment ago.
 * Cards differ in height, so a button can come to lie just beside another button's old place, or on another field's.
 * @param {HTMLElement} root
 * @param {string} selector the cards and rows that may move: their places are remembered for a moment
 * @param {(node: Element) => void} refused called for each click that was held back
 * @returns {() => void} call it at least every 150 ms: it takes down where everything lies now
 */
export function guardClicks(root, selector, refused) {
  /** @type {{ at: number, boxes: Box[] }[]} */
  let history = []
  const note = () => {
    const boxes = [...root.querySelectorAll(selector)].flatMap((owner) =>
      [...owner.querySelectorAll(CONTROLS)].map((control) => boxOf(control, owner)),
    )
    const at = performance.now()
    // The last record before that moment was still true when the moment began.
    const begin = history.findLastIndex((one) => one.at < at - GUARD_MS)
    history = [...history.slice(Math.max(0, begin)), { at, boxes }]
  }
  root.addEventListener(
    'click',
    (event) => {
      // Keys and scripts aim at an element, not at a point.
      if (!event.detail) return
      const button = /** @type {Element} */ (event.target).closest('button')
      const owner = button?.closest(selector)
      if (!button || !owner) return
      const began = performance.now() - GUARD_MS
      const recent = history.filter(({ at }, index) => at >= began || (history[index + 1]?.at ?? Infinity) > began)
      const wasAnother = recent.some(({ boxes }) => boxes.some((box) => box.owner !== owner && contains(box, event)))
      if (!wasAnother) return
      event.preventDefault()
      event.stopPropagation()
      refused(owner)
    },
    true,
  )
  return note
}

/**
 * In coordinates of the page, so that scrolling it does not count as a move.
 * @param {Element} owner the card or row that has it @returns {Box}
 */
function boxOf(control, owner) {
  const { left, top, right, bottom } = control.getBoundingClientRect()
  const [x, y] = [scrollX, scrollY]
  return {
    owner,
    left: left + x - AIM_PX,
    top: top + y - AIM_PX,
    right: right + x + AIM_PX,
    bottom: bottom + y + AIM_PX,
  }
}

function contains({ left, top, right, bottom }, { pageX, pageY }) {
  return pageX >= left && pageX < right && pageY >= top && pageY < bottom
}

/**
 * Holds still what is pressed: while a pointer, Enter or the space bar is down in `node`, and until its click has come.
 * @param {Element} node
 * @param {() => void} draw called as soon as it may change again
 * @param {AbortSignal} [signal] ends it
 * @returns {() => boolean} whether it has to hold still now
 */
export function holdWhilePressed(node, draw, signal) {
  let held = false
  let timer
  const hold = () => {
    clearTimeout(timer)
    held = true
  }
  const letGo = () => {
    clearTimeout(timer)
    if (!held) return
    held = false
    draw()
  }
  const released = () => {
    if (!held) return
    clearTimeout(timer)
    timer = setTimeout(letGo, CLICK_MS)
  }
  node.addEventListener('pointerdown', hold, true)
  node.addEventListener(
    'keydown',
    (event) => {
      if (/^(Enter| )$/.test(/** @type {KeyboardEvent} */ (event).key)) hold()
    },
    true,
  )
  for (const type of ['pointerup', 'keyup']) globalThis.addEventListener(type, released, { capture: true, signal })
  // This listener runs last, after the click's effect. A click made by a script does not end a press.
  globalThis.addEventListener(
    'click',
    ({ isTrusted }) => {
      if (isTrusted) letGo()
    },
    { signal },
  )
  for (const type of ['pointercancel', 'blur']) globalThis.addEventListener(type, letGo, { signal })
  return () => held
}

/** For a moment, treats pressed keys as meant for something else. */
export class KeyGuard {
  #passedUntil = -Infinity
  #typingUntil = -Infinity

  /** The notification that keys would answer has been replaced by another. */
  passed() {
    this.#passedUntil = performance.now() + GUARD_MS
  }

  /** Someone is typing, but the field is gone or did not open: the letters are not commands. */
  typing() {
    this.#typingUntil = performance.now() + TYPING_MS
  }

  /**
   * @param {string} name as `KeyboardEvent.key` names it, lower case
   * @param {{ types?: boolean }} [key] what that key would do
   * @returns {boolean} whether it is held back
   */
  holds(name, key) {
    const now = performance.now()
    if (now < this.#typingUntil) {
      if (name.length > 1 && name !== 'enter' && name !== 'backspace') return false
      // Enter ends typed text. The space bar would press a button.
      if (name === 'enter') this.#typingUntil = -Infinity
      else this.typing()
      return true
    }
    if (!key || now >= this.#passedUntil) return false
    if (key.types) this.typing()
    return true
  }
}
