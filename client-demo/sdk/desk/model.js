// The state of one agent's desk, and what the agent may do with it. It has no DOM and no words: whatever is to be said
// is a key of the catalogues with its values.

const RECENT_MAX = 8
/** For so long an agent can take back the end of a session. */
export const UNDO_MS = 5_000

/** @typedef {{ key: string, values?: Record<string, any> }} Words */
/** @typedef {import('../deskbell.js').Notification} Notification */
/** @typedef {{ id: string, notification: Notification, state: 'ringing' | 'answering' }} Card */
/** @typedef {{ id: string, title: string, outcome: Words, taken: boolean, missed: boolean, at: number }} Ended */
/** @typedef {'open' | 'ending' | 'ended'} SessionState */

/**
 * Dispatches `change` when a getter has a new value, `ended` with an {@link Ended} for each card that is over (again,
 * if its outcome becomes better known), `news` for screen readers, `fault`, and `breach` with a session's id.
 */
export class DeskModel extends EventTarget {
  #client
  #health
  #mayAccept
  /** @type {Map<string, Card>} by notification, in order of arrival */ #cards = new Map()
  /** @type {Set<string>} notifications that this page has answered */ #answeredHere = new Set()
  /** @type {Map<string, { timer?: ReturnType<typeof setTimeout>, state: SessionState }>} */ #ending = new Map()
  /** @type {Ended[]} newest first */ #recent = []
  /** @type {import('../deskbell.js').Presence | undefined} asked of the hub, and not answered yet */ #asked
  #asks = 0

  /**
   * @param {import('../deskbell.js').Agent} client
   * @param {import('./connection-health.js').ConnectionHealth} health
   * @param {(notification: Notification) => boolean} [mayAccept] whether an accept goes ahead
   */
  constructor(client, health, mayAccept = () => true) {
    super()
    this.#client = client
    this.#health = health
    this.#mayAccept = mayAccept
    client.on('change', () => this.#sync())
    client.on('state', () => this.#tell('change'))
    client.on('notification', ({ title }) => this.#rang(title))
    client.on('closed', (message) => this.#closed(message))
    client.on('session', (session) => this.#began(session))
    client.on('sessionEnded', ({ sessionId }) => this.#forgetEnding(sessionId))
    client.on('kpi', (kpi) => this.#breached(kpi))
  }

  /** What rings, in order of arrival. @returns {readonly Card[]} */
  get cards() {
    return [...this.#cards.values()]
  }

  /** What nobody at this desk has answered yet. */
  get unanswered() {
    return this.cards.filter(({ state }) => state === 'ringing')
  }

  /**
   * The agent's sessions: those in breach first, the oldest breach at the top, then the others as they began.
   */
  get sessions() {
    const breaches = new Map(this.#client.kpi.map((one) => [one.sessionId, one]))
    const began = (breach) => (breach?.since ? Date.parse(breach.since) || 0 : Infinity)
    return this.#client.sessions
      .map((session) => ({
        ...session,
        breach: session.breached ? (breaches.get(session.sessionId) ?? { sessionId: session.sessionId }) : undefined,
        state: this.#ending.get(session.sessionId)?.state ?? 'open',
      }))
      .sort((a, b) => Number(!a.breach) - Number(!b.breach) || began(a.breach) - began(b.breach) || 0)
  }

  /** Breaches of sessions that other agents have. */
  get breachesElsewhere() {
    const own = new Set(this.#client.sessions.map((one) => one.sessionId))
    return this.#client.kpi.filter((one) => !own.has(one.sessionId))
  }

  get recent() {
    return this.#recent
  }

  /** What the agent chose last, also while the hub has not confirmed it. */
  get presence() {
    return this.#asked ?? this.#client.presence
  }

  can(what, id = '') {
    switch (what) {
      case 'accept':
      case 'reject':
        return this.#cards.get(id)?.state === 'ringing' && this.#client.state !== 'closed'
      case 'end':
        return !this.#ending.has(id) && this.#client.sessions.some(({ sessionId }) => sessionId === id)
      case 'undo':
        return this.#ending.get(id)?.state === 'ending'
      default:
        return this.#client.state !== 'closed'
    }
  }

  async answer(id, action, reason) {
    const card = this.#cards.get(id)
    if (!card || !this.can(action, id)) return
    if (action === 'accept' && !this.#mayAccept(card.notification)) return
    this.#fault()
    this.#set({ ...card, state: 'answering' })
    this.#answeredHere.add(id)
    const { title } = card.notification
    try {
      const { value, agentId, won, ...rest } = await (action === 'accept'
        ? this.#client.accept(id)
        : this.#client.reject(id, reason))
      // As a rule `closed` came before; not if it was settled while this desk was not connected.
      if (!won && value) this.#over(id, title, value, { agentId, ...rest })
    } catch (error) {
      this.#answeredHere.delete(id)
      const current = this.#cards.get(id)
      if (current) this.#set({ ...current, state: 'ringing' })
      this.#fault({ key: 'accept.refused', values: { title, detail: detailOf(error) } })
    }
  }

  /** Ends a session in {@link UNDO_MS}, unless the agent takes it back. */
  endSession(sessionId) {
    if (!this.can('end', sessionId)) return
    this.#fault()
    const timer = setTimeout(() => this.#end(sessionId), UNDO_MS)
    this.#ending.set(sessionId, { timer, state: 'ending' })
    this.#tell('change')
    this.#news('news.ending', { title: this.#titleOf(sessionId), undoMs: UNDO_MS }, true)
  }

  undoEnd(sessionId) {
    if (!this.can('undo', sessionId)) return
    this.#news('news.kept', { title: this.#titleOf(sessionId) })
    this.#forgetEnding(sessionId)
    this.#tell('change')
  }

  /** The page goes: what the agent has ended ends now. */
  endAllNow() {
    for (const [sessionId, { state }] of this.#ending) if (state === 'ending') this.#end(sessionId)
  }

  async setPresence(presence) {
    if (!this.can('presence')) return
    this.#fault()
    const ask = ++this.#asks
    this.#asked = presence
    this.#tell('change')
    await this.#client.setPresence(presence).catch((error) => this.#fault(plain(error)))
    if (ask !== this.#asks) return
    this.#asked = undefined
    this.#tell('change')
  }

  #sync() {
    const { notifications } = this.#client
    const now = new Set(notifications.map((one) => one.notificationId))
    for (const { id, notification } of this.cards)
      if (!now.has(id)) this.#settle(id, notification.title, { key: 'outcome.whileAway' }, {})
    for (const notification of notifications) {
      const { notificationId: id } = notification
      this.#cards.set(id, { id, notification, state: this.#cards.get(id)?.state ?? 'ringing' })
    }
    const sessions = new Set(this.#client.sessions.map(({ sessionId }) => sessionId))
    for (const sessionId of this.#ending.keys()) if (!sessions.has(sessionId)) this.#forgetEnding(sessionId)
    this.#tell('change')
  }

  #set(card) {
    this.#cards.set(card.id, card)
    this.#tell('change')
  }

  #rang(title) {
    const count = this.#client.notifications.length
    if (count > 1) this.#news('news.ringingMany', { title, count })
    else this.#news('news.ringing', { title })
  }

  #closed({ notificationId: id, value, ...rest }) {
    this.#over(id, this.#cards.get(id)?.notification.title ?? '', value, rest)
  }

  #over(id, title, value, message) {
    const mine = Boolean(message.agentId) && message.agentId === this.#client.agentId
    const outcome = outcomeWords(value, message, mine, this.#answeredHere.has(id))
    this.#settle(id, title, outcome, {
      taken: mine && value?.actionName === 'Accept',
      missed: message.missed === true || value?.responseReason === 'DisplayTimeout',
    })
  }

  /**
   * @param {Words} outcome
   * @param {{ taken?: boolean, missed?: boolean }} how
   */
  #settle(id, title, outcome, { taken = false, missed = false }) {
    this.#cards.delete(id)
    this.#answeredHere.delete(id)
    const before = this.#recent.find((one) => one.id === id)
    /** @type {Ended} */
    const ended = {
      id,
      title: title || before?.title || '',
      outcome,
      taken,
      missed,
      at: before?.at ?? this.#health.now(),
    }
    this.#recent = [ended, ...this.#recent.filter((one) => one.id !== id)].slice(0, RECENT_MAX)
    this.#tell('ended', ended)
    this.#news('news.over', { title: ended.title, outcome })
  }

  #began({ title, notificationId }) {
    // The agent's own accept was announced already.
    if (!this.#recent.some(({ id }) => id === notificationId)) this.#news('news.session', { title })
  }

  #breached({ sessionId, breached, details }) {
    const title = this.#titleOf(sessionId)
    if (title === undefined) return
    if (!breached) return this.#news('news.breachOver', { title })
    if (details) this.#news('news.breachWith', { title, details }, true)
    else this.#news('news.breach', { title }, true)
    this.#tell('breach', sessionId)
  }

  async #end(sessionId) {
    const ending = this.#ending.get(sessionId)
    if (!ending) return
    clearTimeout(ending.timer)
    this.#ending.set(sessionId, { state: 'ended' })
    this.#tell('change')
    try {
      await this.#client.endSession(sessionId)
    } catch (error) {
      this.#forgetEnding(sessionId)
      this.#fault(plain(error))
      this.#tell('change')
    }
  }

  #forgetEnding(sessionId) {
    clearTimeout(this.#ending.get(sessionId)?.timer)
    this.#ending.delete(sessionId)
  }

  #titleOf(sessionId) {
    return this.#client.sessions.find((one) => one.sessionId === sessionId)?.title
  }

  #news(key, values, first = false) {
    this.#tell('news', { key, values, first })
  }

  #fault(words) {
    this.#tell('fault', words)
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }
}

const BY_REASON = {
  NotificationQueueLimitExceeded: 'outcome.tooMany',
  NotificationQueueTimeLimitExceeded: 'outcome.nobodyFree',
  DisplayTimeout: 'outcome.nobodyAnswered',
  Cancelled: 'outcome.cancelled',
}

/**
 * How a notification ended, for the agent at this desk.
 * @param {any} value the hub's outcome @param {any} message what came with it
 * @param {boolean} mine this desk's agent settled it @param {boolean} here in this page
 * @returns {Words}
 */
function outcomeWords(value, { agentId, agentName, missed }, mine, here) {
  if (!value) return { key: missed ? 'outcome.missed' : 'outcome.passed' }
  const values = { agent: agentName ?? agentId ?? '' }
  const by = (you, other, elsewhere = you) => {
    if (!mine) return { key: other, values }
    return { key: here ? you : elsewhere }
  }
  switch (value.responseReason) {
    case 'AutoAccept':
      return by('outcome.assignedToYou', 'outcome.assignedTo')
    case 'AutoAcceptOnTimeout':
      return by('outcome.assignedToYouLate', 'outcome.assignedToLate')
    case 'Accept':
      return by('outcome.takenByYou', 'outcome.takenBy', 'outcome.takenByYouElsewhere')
    case 'DeclinedByAgent':
      if (!agentId) return { key: 'outcome.declinedByAll' }
      return by('outcome.declinedByYou', 'outcome.declinedBy', 'outcome.declinedByYouElsewhere')
    default:
      if (Object.hasOwn(BY_REASON, value.responseReason)) return { key: BY_REASON[value.responseReason] }
      return { key: 'outcome.other', values: { reason: String(value.responseReason) } }
  }
}

function plain(error) {
  return { key: 'fault.plain', values: { detail: detailOf(error) } }
}

function detailOf(error) {
  return String(error?.detail ?? error?.message ?? error)
}
