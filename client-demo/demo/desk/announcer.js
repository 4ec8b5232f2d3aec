// What a screen reader is told: politely, and what comes together is said together.

const GATHER_MS = 400
const SENTENCES_MAX = 3

export class Announcer {
  /** @type {string[]} */ #waiting = []
  #timer

  /** @param {HTMLElement} node the live region */
  constructor(node) {
    this.node = node
  }

  /** @param {string} text what happened; said once, however often it comes within the moment that is gathered */
  say(text) {
    if (this.#waiting.includes(text)) return
    this.#waiting.push(text)
    this.#timer ??= setTimeout(() => this.#speak(), GATHER_MS)
  }

  #speak() {
    this.#timer = undefined
    const said = this.#waiting.slice(0, SENTENCES_MAX)
    const more = this.#waiting.length - said.length
    this.#waiting = []
    const text = said.join('. ') + (more ? `. And ${more} more` : '')
    // The same words twice are news twice: a no-break space makes them differ.
    this.node.textContent = text === this.node.textContent ? `${text}\u00a0` : text
  }
}
