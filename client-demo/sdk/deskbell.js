/**
 * deskbell in the browser, and in Node: one ES module, no dependencies, no build. What every option
 * and event means stands in deskbell.d.ts.
 *
 * `Provider` raises notifications, `Agent` is a desk that answers them. Both keep one connection,
 * come back by themselves when it breaks, and settle every call exactly once: what was under way
 * is said again under the same id, by which the hub knows it.
 */

/** @import { AgentEvents, AgentOptions, AnswerResult, CIFramework, CancelResult, ClientEvents, EmptyResult, Kpi, Notification, NotifyInput, NotifyResult, Options, Presence, PresenceMessage, ProviderEvents, ProviderOptions, Session } from './deskbell.d.ts' */
/** @typedef {Record<string, any>} Message */
/**
 * One that has not settled: what is sent, the same bytes every time; when it was made, by the wall clock;
 * whether the hub asked to try later, and it rests until then.
 * @typedef {{ text: string, type: string, since: number, retries: number, resting: boolean, promise: Promise<any>,
 *   resolve(value: any): void, reject(error: any): void }} Call
 */

const BACKOFF_FIRST_MS = 500
/** Less than the 10 s for which a hub that started anew waits for its agents before it refuses for want of them. */
const BACKOFF_MAX_MS = 8_000
/** A connection that held this long was a good one: the next backoff begins anew. */
const STEADY_MS = 5_000
/** From the first try of a connection to its welcome. */
const OPEN_MS = 15_000
const PONG_MS = 10_000
const RETRIES_MAX = 5
const RETRY_AFTER_MAX_MS = 60_000
const CALLS_MAX = 10_000
const RESULTS_REMEMBERED = 10_000
/** What the hub takes from an agent; a provider is told its limit in the welcome. */
const AGENT_MESSAGE_BYTES = 16_384
/** Close codes after which the same client would only be sent away again, and what calls are told. */
const FINAL = new Map([[1003, 'unavailable'], [1007, 'unavailable'], [1009, 'limit'], [4400, 'badMessage'], [4403, 'notAllowed']])
const CALLS = new Map([['notify', 'NotifyEvent'], ['cancel', 'CancelEvent'], ['kpi', 'NotifyKpiBreach'], ['activity', 'NotifyNewActivity']])

/** One connection at a time to the hub, and the calls that wait for their answers. */
class Connection {
  /** @type {'connecting' | 'open' | 'waiting' | 'closed'} */
  state = 'connecting'
  /** @type {any} */ #socket = null
  /** @type {Map<string, Call>} */ #calls = new Map()
  /** @type {string[]} */ #outbox = []
  /** @type {Record<string, any>} the timers that run, by name */ #timers = {}
  #attempt = 0
  #failures = 0
  #refusals = 0
  #welcomedAt = 0
  #heardAt = 0
  /** When the last connection was last known to live, wall clock. */
  #aliveAt = 0
  #pingIntervalMs = 15_000
  #maxBytes = AGENT_MESSAGE_BYTES
  #clockSkewMs = 0
  #budget
  #budgetAt = Date.now()
  /** What the hub had against the hello; its close code does not say. */
  #refusal = ''
  #url
  #hello
  #tell
  /** @type {any} */ #WebSocket
  /** @type {any} */ #token
  #giveUpAfterMs
  #messagesPerSecond

  /** @param {string | URL} url @param {Options} options @param {Message} hello @param {Record<string, (...what: any[]) => void>} tell */
  constructor(url, { token, WebSocket = globalThis.WebSocket, giveUpAfterMs = 540_000, messagesPerSecond = 150 }, hello, tell) {
    this.#url = socketUrl(url)
    this.#hello = hello
    this.#tell = tell
    this.#WebSocket = WebSocket
    this.#token = token
    this.#giveUpAfterMs = giveUpAfterMs
    this.#budget = this.#messagesPerSecond = Math.max(1, messagesPerSecond)
    if (!WebSocket) {
      throw new TypeError('deskbell: no WebSocket here. Node 22 has one, Node 20 with --experimental-websocket; or pass { WebSocket }, of undici or ws')
    }
    for (const [target, type] of wakeUps()) target.addEventListener(type, this.#wake)
    // Not at once: whoever made this client should have the time to listen.
    queueMicrotask(() => this.#connect())
  }

  /**
   * Says something that the hub answers, as often as it takes.
   * @param {Message} message @returns {Promise<any>}
   */
  call(message) {
    const type = message.type
    const no = (/** @type {string} */ code, /** @type {string} */ detail) => Promise.reject(failure(type, code, detail))
    if (this.state === 'closed') return no('unavailable', 'this client is closed')
    const id = message.id ?? uuid()
    let text
    try {
      text = JSON.stringify({ ...message, id })
    } catch (error) {
      return no('badParameter', `this is not JSON: ${error}`)
    }
    // What the hub cannot read it cannot answer by its id.
    if (/(?<!\\)(\\\\)*\\ud[89a-f]/.test(text)) return no('badParameter', 'half a character: a surrogate alone')
    if (typeof id !== 'string' || !/^[^\p{Cc}\p{Bidi_C}]+$/u.test(id) || bytes(id) > 128) {
      return no('badParameter', 'id: 1 to 128 bytes, no control characters')
    }
    const same = this.#calls.get(id)
    if (same) return same.text === text ? same.promise : no('idTaken', `a call under way has the id "${id}"`)
    if (this.#calls.size >= CALLS_MAX) return no('limit', `${CALLS_MAX} calls are waiting already`)
    if (this.#welcomedAt && bytes(text) > this.#maxBytes) return no('badParameter', this.#tooLong())
    const call = /** @type {Call} */ ({ text, type, since: Date.now(), retries: 0, resting: false })
    call.promise = new Promise((resolve, reject) => Object.assign(call, { resolve, reject }))
    this.#calls.set(id, call)
    this.send(text)
    return call.promise
  }

  /** Says something once, if the hub is there to hear it. @param {string} text */
  send(text) {
    if (this.state !== 'open') return
    this.#outbox.push(text)
    this.#pump()
  }

  /** @param {string} token */
  refresh(token) {
    if (typeof this.#token !== 'function') this.#token = token
    return this.call({ type: 'refresh', token })
  }

  close() {
    this.#end(1000, 'closed by this side')
  }

  async #connect() {
    if (this.state === 'closed') return
    const attempt = ++this.#attempt
    this.#refusal = ''
    this.#timer('open', OPEN_MS, () => this.#lost(1006, 'no welcome in time'))
    this.#setState('connecting')
    const token = this.#token
    try {
      const fresh = typeof token === 'function' ? await token() : token
      if (attempt !== this.#attempt || this.state !== 'connecting') return
      const socket = this.#socket = new this.#WebSocket(this.#url, ['deskbell.v1'])
      socket.onopen = () => this.#transmit(JSON.stringify({ ...this.#hello, token: fresh }))
      socket.onmessage = (/** @type {any} */ event) => this.#receive(event.data, fresh)
      socket.onclose = (/** @type {any} */ event) => this.#lost(event.code, event.reason)
      // Node's says no more than this if nobody listens there.
      socket.onerror = () => { if (socket === this.#socket) this.#lost(1006, '') }
    } catch (error) {
      // A page may not speak ws: from https:, and no waiting changes that; a token may be had later.
      const final = /** @type {any} */ (error)?.name === 'SecurityError'
      if (attempt === this.#attempt) this.#lost(final ? 4403 : 1006, String(error))
    }
  }

  /** The connection is over: come back, or end. @param {number} code @param {string} reason */
  #lost(code, reason) {
    if (this.state === 'closed') return
    this.#drop()
    if (this.state === 'open') {
      this.#aliveAt = this.#heardAt
      if (Date.now() - this.#welcomedAt > STEADY_MS) this.#failures = 0
    } else {
      this.#forgetOld([])
    }
    const refused = code === 4401 && (typeof this.#token !== 'function' || ++this.#refusals > 3)
    if (refused || FINAL.has(code)) return this.#end(code, reason)
    // Full jitter: thousands who lost the same hub come back at thousands of moments.
    const pause = code === 1013 || code === 4429 ? 1_000 : 0
    const delayMs = pause + Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures++)
    this.#timer('retry', delayMs, () => this.#connect())
    this.#setState('waiting', { code, reason, retryInMs: Math.round(delayMs) })
  }

  /** The old socket is deaf from here on, so that never two of them speak. */
  #drop() {
    const socket = this.#socket
    this.#socket = null
    this.#attempt++
    this.#outbox = []
    for (const name of ['open', 'silence', 'pong', 'pump', 'refresh']) this.#timer(name)
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    if (this.state === 'closed') return
    this.#drop()
    this.#timer('retry')
    for (const [target, type] of wakeUps()) target.removeEventListener(type, this.#wake)
    const detail = this.#refusal || reason || `the hub closed the connection with ${code}`
    const error = (/** @type {string} */ type) => ({ ...failure(type, FINAL.get(code) ?? (code === 4401 ? 'notAllowed' : 'unavailable'), detail), closeCode: code })
    for (const [id, call] of this.#calls) this.#settle(id, call.reject, error(call.type))
    this.#setState('closed', { code, reason: detail })
    this.#tell.ended(error(''))
  }

  /** @param {any} data @param {string} [token] the one that this connection was opened with */
  #receive(data, token) {
    this.#heard()
    let message
    try {
      message = JSON.parse(data)
    } catch {
      return
    }
    this.#tell.message('in', message)
    if (this.state === 'closed') return
    if (message.type === 'welcome') this.#welcomed(message, token)
    else this.#answered(message)
    this.#pump()
  }

  /** @param {Message} message @param {string} [token] */
  #welcomed(message, token) {
    this.#timer('open')
    this.#refusals = 0
    this.#welcomedAt = Date.now()
    this.#clockSkewMs = Date.parse(message.serverTime) - Date.now() || 0
    this.#pingIntervalMs = message.pingIntervalMs || this.#pingIntervalMs
    this.#maxBytes = message.limits?.maxMessageBytes ?? 65_536
    if (message.role !== 'provider') this.#maxBytes = Math.min(this.#maxBytes, AGENT_MESSAGE_BYTES)
    this.#heard()
    this.#refreshInTime(token)
    this.#forgetOld(message.open ?? [])
    for (const [id, call] of this.#calls) {
      if (bytes(call.text) > this.#maxBytes) this.#settle(id, call.reject, failure(call.type, 'badParameter', this.#tooLong()))
      else if (!call.resting) this.#outbox.push(call.text)
    }
    this.state = 'open'
    this.#tell.welcome(message)
    if (this.#socket) this.#setState('open')
  }

  /** @param {Message} message */
  #answered(message) {
    const call = this.#calls.get(message.id)
    if (!call) {
      if (message.type === 'error' && this.state === 'connecting') this.#refusal = message.detail ?? message.message
    } else if (message.type === 'error') {
      if (!this.#later(message, call)) this.#settle(message.id, call.reject, { msdyn_name: CALLS.get(call.type), ...message })
    } else if (message.type !== 'ack' && message.type !== 'pong') {
      this.#settle(message.id, call.resolve, message)
    }
  }

  /** The hub asks to try again later, and that is done five times. @param {Message} error @param {Call} call */
  #later({ id, code, retryAfterMs }, call) {
    if (code !== 'rateLimited' && code !== 'unavailable') return false
    if (retryAfterMs > RETRY_AFTER_MAX_MS || ++call.retries > RETRIES_MAX) return false
    call.resting = true
    const delayMs = (retryAfterMs ?? 1_000) * (1 + Math.random() * call.retries)
    this.#timer(`call ${id}`, delayMs, () => {
      call.resting = false
      this.send(call.text)
    })
    return true
  }

  /** @param {string} id @param {(value: any) => void} how @param {any} value */
  #settle(id, how, value) {
    this.#calls.delete(id)
    this.#timer(`call ${id}`)
    how(value)
  }

  /**
   * Lets go of calls that were away for so long that the hub may have settled and forgotten them: said
   * again they would ring once more, for someone who hung up long ago.
   * @param {Message[]} open what the hub still knows
   */
  #forgetOld(open) {
    const giveUpAfterMs = this.#giveUpAfterMs
    const known = new Set(open.map((one) => one.id))
    for (const [id, call] of this.#calls) {
      if (Date.now() - Math.max(call.since, this.#aliveAt) <= giveUpAfterMs || known.has(id)) continue
      this.#settle(id, call.reject, failure(call.type, 'unavailable', `the hub was away for more than ${giveUpAfterMs} ms: the outcome is not known`))
    }
  }

  #tooLong() {
    return `the message is longer than ${this.#maxBytes} bytes`
  }

  /** Sends what waits, no faster than the hub takes it. */
  #pump() {
    if (this.state !== 'open' || this.#timers.pump) return
    const rate = this.#messagesPerSecond
    const now = Date.now()
    this.#budget = Math.min(rate, this.#budget + Math.max(0, now - this.#budgetAt) * rate / 1_000)
    this.#budgetAt = now
    // Each is off the list before a listener hears of it, who may call or close.
    for (; this.#outbox.length && this.#budget >= 1; this.#budget--) this.#transmit(/** @type {string} */ (this.#outbox.shift()))
    if (this.#outbox.length) this.#timer('pump', 10_000 / rate, () => this.#pump())
  }

  /** @param {string} text */
  #transmit(text) {
    this.#socket.send(text)
    const message = JSON.parse(text)
    if (message.token) message.token = '…'
    this.#tell.message('out', message)
  }

  /** A page does not see the hub's pings, so after a silence it asks; who does not answer is gone. */
  #heard() {
    this.#heardAt = Date.now()
    this.#timer('pong')
    this.#timer('silence', 2 * this.#pingIntervalMs, () => this.#probe())
  }

  #probe() {
    if (this.#timers.pong || this.state !== 'open') return
    this.#transmit('{"type":"ping"}')
    this.#timer('pong', PONG_MS, () => this.#lost(1006, 'the hub did not answer'))
  }

  /** The page or the network came back: timers may have slept, so look at once. */
  #wake = () => {
    if (this.state === 'open') this.#probe()
    else if (this.state === 'waiting') this.#timer('retry', Math.random() * BACKOFF_FIRST_MS, () => this.#connect())
  }

  /** Asks for a fresh token half a minute before this one ends, earlier for one that lives shorter. @param {string} [token] */
  #refreshInTime(token) {
    if (typeof this.#token !== 'function' || !token) return
    const lifeMs = expiry(token) * 1_000 - Date.now() - this.#clockSkewMs
    if (!(lifeMs > 0)) return
    this.#timer('refresh', Math.min(Math.max(lifeMs - 30_000, lifeMs / 2), 2 ** 31 - 1), async () => {
      try {
        const fresh = await this.#token()
        await this.call({ type: 'refresh', token: fresh })
        this.#refreshInTime(fresh)
      } catch {
        // The hub will close with 4401, and the way back asks for a token again.
      }
    })
  }

  /** Starts the timer of that name anew; without a delay only stops it. @param {string} name @param {number} [ms] @param {() => void} [then] */
  #timer(name, ms, then) {
    clearTimeout(this.#timers[name])
    delete this.#timers[name]
    if (then) {
      this.#timers[name] = setTimeout(() => {
        delete this.#timers[name]
        then()
      }, ms)
    }
  }

  /** @param {Connection['state']} state @param {Message} [more] */
  #setState(state, more) {
    this.state = state
    this.#tell.state({ state, ...more })
  }
}

/** What Provider and Agent have in common: the connection's life as events. @template {ClientEvents<any>} E */
class Client extends EventTarget {
  /** @type {E['welcome'] | null} the last one, as it came */ welcome = null
  /** @type {Promise<E['welcome']>} */ ready
  /** @protected @type {Message} */ _hello
  /** @protected @type {Connection} */ _connection

  /** @param {string | URL} url @param {Message} options @param {Message} hello */
  constructor(url, options, hello) {
    super()
    this._hello = { type: 'hello', ...hello }
    /** @type {(value: any) => void} */ let resolve
    /** @type {(error: any) => void} */ let reject
    this.ready = new Promise((yes, no) => { [resolve, reject] = [yes, no] })
    // Who does not wait for it should not be told of an unhandled rejection.
    this.ready.catch(() => {})
    this._connection = new Connection(url, options, this._hello, {
      state: (detail) => this._emit('state', detail),
      message: (direction, message) => {
        this._emit('message', { direction, message })
        if (direction === 'in' && message.type !== 'welcome') this._receive(message)
      },
      welcome: (message) => {
        this.welcome = message
        this._welcomed(message)
        resolve(message)
        this._emit('welcome', message)
      },
      ended: (error) => {
        reject(error)
        this._emit('close', error)
      },
    })
  }

  /** @returns {Connection['state']} */
  get state() {
    return this._connection.state
  }

  /** @template {keyof E & string} K @param {K} type @param {(detail: E[K]) => void} listener @returns {() => void} */
  on(type, listener) {
    const handler = (/** @type {any} */ event) => listener(event.detail)
    this.addEventListener(type, handler)
    return () => this.removeEventListener(type, handler)
  }

  /** @param {string} token @returns {Promise<{ type: 'refreshed' }>} */
  refresh(token) {
    return this._connection.refresh(token)
  }

  /** @param {string} sessionId @returns {Promise<EmptyResult>} */
  endSession(sessionId) {
    return this._connection.call({ type: 'endSession', sessionId })
  }

  close() {
    this._connection.close()
  }

  /** @protected @param {string} type @param {any} detail */
  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }

  /** @protected @param {Message} _message */
  _welcomed(_message) {}

  /** @protected @param {Message} _message */
  _receive(_message) {}
}

/** Raises notifications and learns their outcomes. @extends {Client<ProviderEvents>} */
export class Provider extends Client {
  /** @type {Set<string>} */ #seen = new Set()

  /** @param {string | URL} url @param {ProviderOptions} [options] */
  constructor(url, options = {}) {
    super(url, options, { role: 'provider', providerId: options.providerId, resume: options.resume })
  }

  /** @returns {string | undefined} */
  get providerId() {
    return this._hello.providerId
  }

  /** @returns {string | true | undefined} */
  get position() {
    return this._hello.resume
  }

  /** @param {NotifyInput} input @returns {Promise<NotifyResult>} */
  notify(input) {
    return this._connection.call({ ...input, type: 'notify' })
  }

  /** @param {string} cancellationToken @param {string} [correlationId] @returns {Promise<CancelResult>} */
  cancel(cancellationToken, correlationId) {
    return this._connection.call({ type: 'cancel', cancellationToken, correlationId })
  }

  /** @param {string} sessionId @param {boolean} [shouldReset] @param {string} [details] @param {string} [correlationId] @returns {Promise<EmptyResult>} */
  kpi(sessionId, shouldReset, details, correlationId) {
    return this._connection.call({ type: 'kpi', sessionId, shouldReset, details, correlationId })
  }

  /** @param {string} sessionId @param {number} count @param {string} [correlationId] @returns {Promise<EmptyResult>} */
  activity(sessionId, count, correlationId) {
    return this._connection.call({ type: 'activity', sessionId, count, correlationId })
  }

  /** @protected @param {Message} welcome */
  _welcomed(welcome) {
    this._hello.providerId = welcome.providerId
    // Who was here once wants all that is settled while it is away.
    this._hello.resume ??= true
  }

  /** @protected @param {Message} message */
  _receive(message) {
    // After a reconnect the outcome may come before the ack of the repeated call.
    if (message.type === 'ack' && !this.#seen.has(message.notificationId)) this._emit('ack', message)
    if (message.type !== 'result' || message.msdyn_name !== 'NotifyEvent') return
    this._hello.resume = message.position ?? this._hello.resume
    if (this.#seen.has(message.notificationId)) return
    this.#seen.add(message.notificationId)
    // A set gives its oldest first.
    if (this.#seen.size > RESULTS_REMEMBERED) for (const oldest of this.#seen) { this.#seen.delete(oldest); break }
    this._emit('result', message)
  }
}

/** A desk: what is on it now, and the answers that a person gives. @extends {Client<AgentEvents>} */
export class Agent extends Client {
  /** @type {readonly Notification[]} */ notifications = []
  /** @type {readonly Session[]} */ sessions = []
  /** @type {readonly Kpi[]} */ kpi = []
  /** @type {Presence | undefined} */ presence
  /** @type {WeakMap<object, number>} when each notification came, on a clock that nobody sets */ #cameAt = new WeakMap()
  /** @type {Set<string>} */ #looked = new Set()

  /** @param {string | URL} url @param {AgentOptions} [options] */
  constructor(url, options = {}) {
    super(url, options, { role: 'agent', agentId: options.agentId, groups: options.groups, presence: options.presence })
  }

  /** @returns {string | undefined} */
  get agentId() {
    return this._hello.agentId
  }

  /** @param {Notification} notification @returns {number} */
  remainingMs(notification) {
    const elapsed = performance.now() - (this.#cameAt.get(notification) ?? performance.now())
    return Math.max(0, notification.remainingMs - elapsed)
  }

  /** @param {string} notificationId @returns {Promise<AnswerResult>} */
  accept(notificationId) {
    return this._connection.call({ type: 'accept', notificationId })
  }

  /** @param {string} notificationId @param {string} [reason] @returns {Promise<AnswerResult>} */
  reject(notificationId, reason) {
    return this._connection.call({ type: 'reject', notificationId, reason })
  }

  /** @param {string} notificationId @returns {void} */
  seen(notificationId) {
    if (this.#looked.has(notificationId)) return
    this.#looked.add(notificationId)
    this._connection.send(JSON.stringify({ type: 'seen', notificationId }))
  }

  /** @param {Presence} presence @returns {Promise<PresenceMessage>} */
  setPresence(presence) {
    return this._connection.call({ type: 'presence', presence })
  }

  /** @protected @param {Message} welcome */
  _welcomed(welcome) {
    this._hello.agentId = welcome.agentId
    // The agent's other tabs may set it from now on: the hub remembers which was last.
    delete this._hello.presence
    this.presence = welcome.presence
    this.notifications = welcome.notifications ?? []
    this.sessions = welcome.sessions ?? []
    this.kpi = welcome.kpi ?? []
    const looked = this.#looked
    this.#looked = new Set()
    for (const one of this.notifications) {
      this.#cameAt.set(one, performance.now())
      // Whether the hub heard it before the connection broke is not known; twice is no harm.
      if (looked.has(one.notificationId)) this.seen(one.notificationId)
    }
    this._emit('change', this)
  }

  /** @protected @param {any} message */
  _receive(message) {
    const { type, notificationId, sessionId } = message
    switch (type) {
      case 'notification':
        this.#cameAt.set(message, performance.now())
        this.notifications = [...this.notifications.filter((one) => one.notificationId !== notificationId), message]
        break
      case 'closed':
        this.notifications = this.notifications.filter((one) => one.notificationId !== notificationId)
        this.#looked.delete(notificationId)
        break
      case 'session':
        this.sessions = [...this.sessions.filter((one) => one.sessionId !== sessionId), message]
        break
      case 'sessionEnded':
        this.sessions = this.sessions.filter((one) => one.sessionId !== sessionId)
        break
      case 'kpi':
        this.kpi = this.kpi.filter((one) => one.sessionId !== sessionId)
        if (message.breached) this.kpi = [...this.kpi, message]
        this.#amend(sessionId, { breached: message.breached })
        break
      case 'activity':
        this.#amend(sessionId, { unread: message.count })
        break
      case 'presence':
        this.presence = message.presence
        break
      default:
        return
    }
    this._emit(type, message)
    this._emit('change', this)
  }

  /** @param {string} sessionId @param {Message} what */
  #amend(sessionId, what) {
    this.sessions = this.sessions.map((one) => (one.sessionId === sessionId ? { ...one, ...what } : one))
  }
}

/**
 * Connects as a provider and sets `Microsoft.CIFramework`, at once: what is called before the connection
 * stands waits for it.
 * @param {string | URL | Provider} url @param {ProviderOptions} [options]
 */
export async function install(url, options) {
  const provider = url instanceof Provider ? url : new Provider(url, options)
  /** @type {CIFramework} */
  const framework = {
    notifyEvent: (input, correlationId, cancellationToken) => provider.notify({
      ...input,
      correlationId: correlationId ?? input?.correlationId,
      cancellationToken: input?.cancellationToken ?? cancellationToken,
    }),
    cancelEvent: (cancellationToken, correlationId) => provider.cancel(cancellationToken, correlationId),
    notifyKpiBreach: (sessionId, shouldReset, details) => provider.kpi(sessionId, shouldReset, details),
    notifyNewActivity: (sessionId, count) => provider.activity(sessionId, count),
  }
  globalThis.Microsoft = { ...globalThis.Microsoft, CIFramework: framework }
  await provider.ready
  return provider
}

/** What a call is rejected with when the hub did not say it. @param {string} type @param {string} code @param {string} detail */
function failure(type, code, detail) {
  return { message: 'RejectAfterClientError', msdyn_name: CALLS.get(type), code, detail }
}

/** @param {string} text */
function bytes(text) {
  return new TextEncoder().encode(text).length
}

/** `ws://…/ws`, whichever way the hub was named. @param {string | URL} url */
function socketUrl(url) {
  const full = new URL(url, globalThis.location?.href)
  full.protocol = full.protocol.replace('http', 'ws')
  full.hash = ''
  if (full.pathname === '/') full.pathname = '/ws'
  return full.href
}

/** What tells a page that it should look at its connection. @returns {[EventTarget, string][]} */
function wakeUps() {
  const { window, document } = globalThis
  return document ? [[window, 'online'], [window, 'pageshow'], [document, 'visibilitychange']] : []
}

/** When a JWT ends, in seconds since 1970; NaN if it does not say. @param {string} token */
function expiry(token) {
  try {
    return Number(JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).exp)
  } catch {
    return NaN
  }
}

/** By hand, as crypto.randomUUID is not there in a page that came by plain http. */
function uuid() {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/(.{8})(.{4}).(.{3}).(.{3})(.{12})/, '$1-$2-4$3-a$4-$5')
}
