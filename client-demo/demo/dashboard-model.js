// What an observer has received, in bounded memory: agents, open notifications, breaches, outcomes. Uses no DOM.

/** At most this many open notifications, agents and breaches are kept; the hub counts all of them. */
export const KNOWN_MAX = 5_000
/** At most this many events are kept. */
export const EVENTS_MAX = 500
/** Outcomes are kept by minute, for the last hour. */
export const MINUTES = 60
/** The distribution of answer times is drawn from at most this many, the latest. */
export const ANSWERS_MAX = 2_000
const GAPS_MAX = 10
const COUNTS = 3
const MINUTE_MS = 60_000
/** The upper ends of the distribution's steps, in milliseconds; the last is open. */
export const STEPS_MS = [1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 120_000, Infinity]
export const KINDS = ['accepted', 'rejected', 'timedOut', 'cancelled']
const KIND_OF = { Accept: 'accepted', Reject: 'rejected', Timeout: 'timedOut', Cancel: 'cancelled' }

/** @typedef {{ at: number, displayedAt?: number, providerId?: string, sessionId?: string }} OpenNotification */

/** Times are the hub's, in milliseconds since 1970. */
export class DashboardModel {
  /** when the first welcome arrived; nothing before it is known */ since = NaN
  /** while not connected, oldest first @type {{ from: number, to: number }[]} */ gaps = []
  /** @type {Map<string, { presence?: string, accepted: number, rejected: number, lastAt: number }>} */ agents =
    new Map()
  /** open notifications, oldest first @type {Map<string, OpenNotification>} */ open = new Map()
  /** sessions in breach @type {Map<string, { at: number }>} */ marks = new Map()
  /** how many breaches began since `since` */ breaches = 0
  /** newest last @type {{ n: number, event: string, at: number, message: any }[]} */ events = []
  /** times to an answer, newest last @type {number[]} */ answers = []
  /** answers to notifications that arrived before `since`: their times are not known */ untimed = 0
  /** the hub's own counts, sent once a second @type {any} */ stats = null
  /** How many the hub counts that this model has no event of. */
  unseen = { open: 0, agents: 0 }
  /** @type {{ open: number, agents: number }[]} the same for each of the last `stats` */ #unseen = []
  /** @type {Map<number, Record<string, number>>} outcomes by minute since 1970 */ #minutes = new Map()
  #skewMs = 0
  #lastAt = NaN
  #number = 0

  /** Connected, for the first time or again. @param {{ serverTime: string }} welcome */
  onWelcome({ serverTime }) {
    const now = Date.parse(serverTime)
    this.#skewMs = now - Date.now()
    if (Number.isNaN(this.since)) this.since = now
    else this.gaps = [...this.gaps, { from: this.#lastAt, to: now }].slice(-GAPS_MAX)
    // Nothing was received meanwhile: what was open may be settled, and agents may have left.
    for (const known of [this.agents, this.open, this.marks]) known.clear()
    this.#unseen = []
    this.#lastAt = now
  }

  /** The hub's time now. */
  now() {
    return Date.now() + this.#skewMs
  }

  /** @param {any} stats */
  onStats(stats) {
    this.stats = stats
    // Counts and events arrive a moment apart, so only what is missing in all of the last counts is really unseen.
    this.#unseen = [
      ...this.#unseen,
      { open: stats.open - this.open.size, agents: stats.agents - this.agents.size },
    ].slice(-COUNTS)
    for (const what of ['open', 'agents'])
      this.unseen[what] = Math.max(0, Math.min(...this.#unseen.map((one) => one[what])))
    this.#lastAt = this.now()
  }

  /** @param {any} message an `event` */
  onEvent(message) {
    const { event, agentId, notificationId, providerId, sessionId, value, breached, presence } = message
    const at = Date.parse(message.at)
    this.#lastAt = at
    this.events.push({ n: this.#number++, event, at, message })
    if (this.events.length > EVENTS_MAX) this.events.shift()
    if (event === 'agentLeft') this.agents.delete(agentId)
    else if (agentId) this.#countFor(agentId, at, presence, value)
    switch (event) {
      case 'notified':
        put(this.open, notificationId, { at, providerId, sessionId })
        break
      case 'displayed': {
        const known = this.open.get(notificationId)
        if (known) known.displayedAt ??= at
        break
      }
      case 'settled':
      case 'cancelled':
        this.#settled(at, this.open.get(notificationId), value)
        this.open.delete(notificationId)
        break
      case 'kpi':
        if (breached && !this.marks.has(sessionId)) this.breaches++
        if (breached) put(this.marks, sessionId, this.marks.get(sessionId) ?? { at })
        else this.marks.delete(sessionId)
        break
    }
  }

  /** Outcomes of the last hour, one entry a minute, oldest first; `undefined` before `since`. */
  minutes() {
    const last = Math.floor(this.now() / MINUTE_MS)
    const first = Math.floor(this.since / MINUTE_MS)
    return Array.from({ length: MINUTES }, (_, n) => {
      const minute = last - MINUTES + 1 + n
      return { at: minute * MINUTE_MS, counts: minute < first ? undefined : (this.#minutes.get(minute) ?? none()) }
    })
  }

  /** How many answers fell into each of STEPS_MS. */
  distribution() {
    const counts = STEPS_MS.map(() => 0)
    for (const ms of this.answers) counts[STEPS_MS.findIndex((step) => ms < step)]++
    return counts
  }

  /** The time within which that share of the answers arrived; NaN if there are none. @param {number} share */
  within(share) {
    const sorted = [...this.answers].sort((one, other) => one - other)
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN
  }

  #settled(at, known, value) {
    const minute = Math.floor(at / MINUTE_MS)
    const counts = this.#minutes.get(minute) ?? none()
    counts[KIND_OF[value?.actionName] ?? 'cancelled']++
    this.#minutes.set(minute, counts)
    for (const old of this.#minutes.keys()) if (old <= minute - MINUTES) this.#minutes.delete(old)
    const answered = value?.responseReason === 'Accept' || value?.responseReason === 'DeclinedByAgent'
    if (!answered) return
    if (!known) {
      this.untimed++
      return
    }
    this.answers.push(Math.max(0, at - known.at))
    if (this.answers.length > ANSWERS_MAX) this.answers.shift()
  }

  #countFor(agentId, at, presence, value) {
    const known = this.agents.get(agentId) ?? { accepted: 0, rejected: 0, lastAt: at }
    known.lastAt = at
    if (presence) known.presence = presence
    if (value?.actionName === 'Accept') known.accepted++
    if (value?.actionName === 'Reject') known.rejected++
    put(this.agents, agentId, known)
  }
}

function none() {
  return Object.fromEntries(KINDS.map((kind) => [kind, 0]))
}

/** Above the bound the oldest is dropped. */
function put(map, key, value) {
  map.set(key, value)
  if (map.size > KNOWN_MAX) map.delete(map.keys().next().value)
}
