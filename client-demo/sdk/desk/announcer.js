// What a screen reader announces: politely, and events that arrive together are announced together.

const GATHER_MS = 400
const SENTENCES_MAX = 3
/** Urgent sentences are all announced; those that do not fit follow after this time. */
const BREATH_MS = 4_000
const WAITING_MAX = 100

export class Announcer {
  #more
  /** @type {string[]} announced in any case, in order of arrival */ #first = []
  /** @type {string[]} */ #then = []
  /** @type {Map<string, string>} by subject, the sentence that waits */ #latest = new Map()
  #timer

  constructor(node, more) {
    this.node = node
    this.#more = more
  }

  /**
   * @param {string} text announced once, however often it is given while sentences are gathered
   * @param {boolean} [first] before other news, and never one of "and 2 more"
   * @param {string} [subject] only the latest waiting sentence of a subject is announced
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

  /** The desk goes: nothing more is announced. */
  stop() {
    clearTimeout(this.#timer)
    this.#first = []
    this.#then = []
  }

  #speak() {
    const said = this.#first.splice(0, SENTENCES_MAX)
    said.push(...this.#then.splice(0, SENTENCES_MAX - said.length))
    const more = this.#then.length
    this.#then = []
    this.#timer = this.#first.length ? setTimeout(() => this.#speak(), BREATH_MS) : undefined
    const sentences = [...said, ...(more ? [this.#more(more)] : [])]
    const text = sentences.map((one) => (/[.?!…]$/.test(one) ? one : `${one}.`)).join(' ')
    // The same words again are news again: a no-break space makes them differ.
    this.node.textContent = text === this.node.textContent ? `${text}\u00a0` : text
  }
}
