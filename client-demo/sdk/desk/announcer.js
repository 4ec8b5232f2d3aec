// What a screen reader is told: politely, and what comes together is said together.

const GATHER_MS = 400
const SENTENCES_MAX = 3
/** Sentences that matter are all told; more than can be told at once come a breath later. */
const BREATH_MS = 4_000
const WAITING_MAX = 100

export class Announcer {
  /** @type {string[]} told whatever else there is, in the order in which it came */ #first = []
  /** @type {string[]} */ #then = []
  /** @type {Map<string, string>} by subject, what waits to be told of it */ #latest = new Map()
  #timer

  /** @param {HTMLElement} node the live region */
  constructor(node) {
    this.node = node
  }

  /**
   * @param {string} text what happened; said once, however often it comes within the moment that is gathered
   * @param {boolean} [first] it goes before what else is said then, and is never one of "and 2 more"
   * @param {string} [subject] of all that waits to be told of it only the latest is
   */
  say(text, first = false, subject = '') {
    if (subject) {
      this.#then = this.#then.filter((one) => one !== this.#latest.get(subject))
      this.#latest.set(subject, text)
    }
    const waiting = first ? this.#first : this.#then
    if (waiting.includes(text) || waiting.length >= WAITING_MAX) return
    waiting.push(text)
    this.#timer ??= setTimeout(() => this.#speak(), GATHER_MS)
  }

  #speak() {
    const said = this.#first.splice(0, SENTENCES_MAX)
    said.push(...this.#then.splice(0, SENTENCES_MAX - said.length))
    const more = this.#then.length
    this.#then = []
    this.#timer = this.#first.length ? setTimeout(() => this.#speak(), BREATH_MS) : undefined
    const text = said.join('. ') + (more ? `. And ${more} more` : '')
    // The same words twice are news twice: a no-break space makes them differ.
    this.node.textContent = text === this.node.textContent ? `${text}\u00a0` : text
  }
}
