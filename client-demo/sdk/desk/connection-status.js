// The line to the hub: whether it stands, since when it does not, and whether what is on the desk can be believed.

import { element, setText } from './dom.js'
import { connectionInWords, nextTryInWords } from '../../demo/outcome-text.js'
import { timeOfDay } from './time-format.js'

/** The hub's pings are not seen by a page, so the client asks after two of them, and waits so long for the answer. */
const ANSWER_MS = 10_000
const SLACK_MS = 5_000
/** What this long ago is not why the next ring would be missed. */
const BREAKS_MS = 10 * 60_000
/** One slow answer is nothing; none of so many that was quick is a slow connection. */
const ANSWERS = 4

export class ConnectionStatus {
  #agent
  #announcer
  #reason = ''
  #heardAt = Date.now()
  #lostAt = 0
  /** @type {number[]} when it broke, lately */ #breaks = []
  /** @type {Map<string, number>} when each question went out that the hub answers */ #asked = new Map()
  /** @type {number[]} how long the last answers took, in milliseconds */ #took = []
  /** By how much the hub's clock is ahead of this one's. */ skewMs = 0
  /** The hub has told what is on the desk, once at least. */ known = false

  /** @param {import('../deskbell.js').Agent} agent @param {import('./announcer.js').Announcer} announcer */
  constructor(agent, announcer) {
    this.#agent = agent
    this.#announcer = announcer
    this.chip = element('span', { class: 'link' })
    this.banner = element('p', { class: 'stale', hidden: true })
    agent.on('state', (change) => this.#changed(change))
    agent.on('welcome', (welcome) => this.#welcomed(welcome))
    agent.on('message', ({ direction, message }) => this.#passed(direction, message))
    this.show()
  }

  /** Whether what stands on the desk is what the hub has. */
  get fresh() {
    return this.#agent.state === 'open' && !this.#silent
  }

  /** Lost several times within the last minutes. */
  get breaks() {
    this.#breaks = this.#breaks.filter((at) => at > Date.now() - BREAKS_MS)
    return this.#breaks.length
  }

  /** How long the quickest of the last answers took; 0: none yet. */
  get roundTripMs() {
    return this.#took.length ? Math.min(...this.#took) : 0
  }

  /** The hub's wall clock, as far as one can tell. */
  now() {
    return Date.now() + this.skewMs
  }

  /** To be called every now and then: time alone makes a connection doubtful. */
  show() {
    const { state } = this.#agent
    const doubtful = state === 'open' && this.#silent
    this.chip.dataset.state = doubtful ? 'waiting' : state
    const words = doubtful
      ? 'checking the connection …'
      : connectionInWords(this.#agent.connection) + nextTryInWords(this.#agent.connection)
    setText(this.chip, words)
    // It is cut where it is long.
    this.chip.title = words
    this.banner.hidden = this.fresh || !this.known
    if (this.banner.hidden) return
    const since = timeOfDay(doubtful || !this.#lostAt ? this.#heardAt : this.#lostAt)
    setText(this.banner, this.#inWords(state, doubtful, since))
    this.banner.title = this.banner.textContent
  }

  #inWords(state, doubtful, since) {
    if (state === 'closed') return `Signed out at ${since}. Reload the page to continue.`
    if (doubtful) return `Last contact with the hub at ${since}. Checking the connection …`
    const why = this.#reason && ` Reason: ${this.#reason}.`
    const answers = 'Your answers will be sent when the connection is back.'
    return `Not connected since ${since}. Showing the last known state. ${answers}${why}`
  }

  /** The computer may have slept: the client looks whether the hub is there, and until then nobody knows. */
  get #silent() {
    const interval = this.#agent.welcome?.pingIntervalMs ?? 15_000
    return Date.now() - this.#heardAt > 2 * interval + ANSWER_MS + SLACK_MS
  }

  #changed({ state, reason = '' }) {
    this.#reason = reason
    if ((state === 'waiting' || state === 'closed') && this.known && !this.#lostAt) {
      this.#lostAt = Date.now()
      this.#breaks.push(this.#lostAt)
      this.#asked.clear()
      this.#announcer.say(state === 'closed' ? `Closed: ${reason}` : 'Not connected', true)
    }
    this.show()
  }

  #welcomed({ serverTime }) {
    const skew = Date.parse(serverTime) - Date.now() + this.roundTripMs / 2
    this.skewMs = Number.isFinite(skew) ? skew : 0
    if (this.#lostAt) this.#announcer.say('Connected again')
    this.#lostAt = 0
    this.known = true
    this.show()
  }

  /** Measures by what is said anyway. */
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
}
