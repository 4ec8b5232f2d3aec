// Whether the connection to the hub can be trusted: since when it is lost, how often it broke, how slow it is, and by
// how much this computer's clock differs from the hub's. No DOM.

/** A page does not see the hub's pings, so the client asks after two of them and waits this long for the answer. */
const ANSWER_MS = 10_000
const SLACK_MS = 5_000
/** A break longer ago than this does not make the next call less likely to arrive. */
const BREAKS_MS = 10 * 60_000
/** One slow answer means nothing; if none of so many was quick, the connection is slow. */
const ANSWERS = 4

/** Dispatches `change`, and `news` for a screen reader. */
export class ConnectionHealth extends EventTarget {
  #client
  #heardAt = Date.now()
  #lostAt = 0
  /** @type {number[]} when it broke, lately */ #breaks = []
  /** @type {Map<string, number>} when each question went out that the hub answers */ #asked = new Map()
  /** @type {number[]} how long the last answers took, in milliseconds */ #took = []
  /** By how much the hub's clock is ahead of this one's, in milliseconds. */ skewMs = 0
  /** Whether the hub has sent the state of the desk at least once. */ known = false

  constructor(client) {
    super()
    this.#client = client
    client.on('state', ({ state }) => this.#changed(state))
    client.on('welcome', (welcome) => this.#welcomed(welcome))
    client.on('message', ({ direction, message }) => this.#passed(direction, message))
  }

  /** Whether the desk shows what the hub has. */
  get fresh() {
    return this.#client.state === 'open' && !this.#silent
  }

  /** Open, but silent for so long that nobody knows: the computer may have slept. */
  get doubtful() {
    return this.#client.state === 'open' && this.#silent
  }

  /** Since when the desk may be out of date, by this computer's clock. */
  get since() {
    return this.doubtful || !this.#lostAt ? this.#heardAt : this.#lostAt
  }

  /** How often the connection broke within the last ten minutes. */
  get breaks() {
    this.#breaks = this.#breaks.filter((at) => at > Date.now() - BREAKS_MS)
    return this.#breaks.length
  }

  /** How long the quickest of the last answers took, in milliseconds; 0: there was none yet. */
  get roundTripMs() {
    return this.#took.length ? Math.min(...this.#took) : 0
  }

  /** The hub's wall clock, as far as this page can tell. */
  now() {
    return Date.now() + this.skewMs
  }

  get #silent() {
    const interval = this.#client.welcome?.pingIntervalMs ?? 15_000
    return Date.now() - this.#heardAt > 2 * interval + ANSWER_MS + SLACK_MS
  }

  #changed(state) {
    if ((state === 'waiting' || state === 'closed') && this.known && !this.#lostAt) {
      this.#lostAt = Date.now()
      this.#breaks.push(this.#lostAt)
      this.#asked.clear()
      this.#news(state === 'closed' ? 'news.closed' : 'news.lost')
    }
    this.dispatchEvent(new Event('change'))
  }

  #welcomed({ serverTime }) {
    const skew = Date.parse(serverTime) - Date.now() + this.roundTripMs / 2
    this.skewMs = Number.isFinite(skew) ? skew : 0
    if (this.#lostAt) this.#news('news.back')
    this.#lostAt = 0
    this.known = true
    this.dispatchEvent(new Event('change'))
  }

  /** Measures with the messages that are sent anyway. */
  #passed(direction, { type, id }) {
    const key = type === 'hello' || type === 'welcome' ? 'hello' : type === 'ping' || type === 'pong' ? 'ping' : id
    if (direction === 'out') {
      if (key) this.#asked.set(key, performance.now())
      return
    }
    this.#heardAt = Date.now()
    const began = this.#asked.get(key)
    if (began === undefined) return
    this.#asked.delete(key)
    this.#took = [performance.now() - began, ...this.#took].slice(0, ANSWERS)
  }

  #news(key) {
    this.dispatchEvent(new CustomEvent('news', { detail: { key, values: {}, first: true } }))
  }
}
