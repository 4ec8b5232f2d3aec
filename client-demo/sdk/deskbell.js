/**
 * The deskbell client for browsers and Node: one ES module without dependencies or a build. deskbell.d.ts documents
 * all of it. After a reconnection, pending calls are sent again with the same id, so the hub recognizes them.
 *
 * This file holds Connection, then Client and its three roles, then install. It stays one file, so that a page loads it
 * with one request and a project can copy it.
 */

/**
 * @import { AgentEvents, AgentOptions, AnswerResult, CallOptions, CIFramework, CancelResult, ClientEvents,
 * ContextMessage, EmptyResult, Kpi, ListenOptions, Notification, NotifyInput, NotifyResult, ObserverEvents, Options,
 * Presence, PresenceMessage, ProviderEvents, ProviderOptions, Session, StateChange } from './deskbell.d.ts'
 */
/** @typedef {Record<string, any>} Message */
/**
 * @typedef {{ text: string, type: string, since: number, retries: number, resting: boolean, waiting: number, promise:
 * Promise<any>, resolve(value: any): void, reject(error: any): void }} Call
 */

const BACKOFF_FIRST_MS = 500
/** Below the 10 s for which a restarted hub waits for its agents. */
const BACKOFF_MAX_MS = 8_000
/** A connection that lasted this long resets the back-off. */
const STEADY_MS = 5_000
/** Longest time from the start of a connection to the welcome. */
const OPEN_MS = 15_000
const PONG_MS = 10_000
const RETRIES_MAX = 5
const RETRY_AFTER_MAX_MS = 60_000
const CALLS_MAX = 10_000
const TIMER_MAX_MS = 2 ** 31 - 1
/** A token is renewed this long before its end, so that a failure is known in time, and tried again after a pause. */
const EARLY_MS = 12 * 60_000
const AGAIN_MS = 20_000
const RESULTS_REMEMBERED = 10_000
/** The limit of agents. A provider's welcome contains its limit. */
const AGENT_MESSAGE_BYTES = 16_384
/** Close codes after which the client does not reconnect, with the error code for pending calls. */
const FINAL = new Map([
  [1003, 'unavailable'],
  [1007, 'unavailable'],
  [1009, 'limit'],
  [4400, 'badMessage'],
  [4403, 'notAllowed'],
])
const CALLS = new Map([
  ['notify', 'NotifyEvent'],
  ['cancel', 'CancelEvent'],
  ['kpi', 'NotifyKpiBreach'],
  ['activity', 'NotifyNewActivity'],
])

/** The connection to the hub, one socket at a time, and the pending calls. */
class Connection {
  /** @type {StateChange} */ now = { state: 'connecting', since: Date.now() }
  /** @type {any} */ #socket = null
  /** @type {Map<string, Call>} */ #calls = new Map()
  /** @type {string[]} */ #outbox = []
  /** @type {Record<string, any>} running timers, by name */ #timers = {}
  #attempt = 0
  #failures = 0
  #refusals = 0
  #welcomedAt = 0
  #heardAt = 0
  /** When the last connection that is now lost received its last message. */
  #aliveAt = 0
  #pingIntervalMs = 15_000
  #maxBytes = AGENT_MESSAGE_BYTES
  #clockSkewMs = 0
  #budget
  #budgetAt = Date.now()
  /** The last token of a token function. */
  #latest = ''
  /** Whether its last call failed. */
  #failed = false
  /** Why the hub refused the hello. */
  #refusal = ''
  #url
  #hello
  #tell
  /** @type {any} */ #WebSocket
  /** @type {any} */ #token
  #giveUpAfterMs
  #messagesPerSecond

  /**
   * @param {string | URL} url @param {Options} options @param {Message} hello @param {Record<string, (...what: any[])
   * => void>} tell
   */
  constructor(
    url,
    { token, WebSocket = globalThis.WebSocket, giveUpAfterMs = 540_000, messagesPerSecond = 150, signal },
    hello,
    tell,
  ) {
    this.#url = socketUrl(url)
    this.#hello = hello
    this.#tell = tell
    this.#WebSocket = WebSocket
    this.#token = token
    this.#giveUpAfterMs = giveUpAfterMs
    this.#budget = this.#messagesPerSecond = Math.max(1, messagesPerSecond)
    if (!WebSocket) {
      throw new TypeError(
        'deskbell: this runtime has no WebSocket. Use Node 22, run Node 20 with --experimental-websocket, ' +
          'or pass { WebSocket } from "ws"',
      )
    }
    for (const [target, type] of wakeUps()) target.addEventListener(type, this.#wake)
    signal?.addEventListener('abort', () => this.close())
    if (signal?.aborted) this.close()
    // Later, so that the caller can add listeners first.
    queueMicrotask(() => this.#connect())
  }

  /** @param {Message} message @param {CallOptions} [options] @returns {Promise<any>} */
  call(message, options = {}) {
    const { type } = message
    const no = (/** @type {string} */ code, /** @type {string} */ detail) => Promise.reject(failure(type, code, detail))
    if (this.state === 'closed') return no('unavailable', 'this client is closed')
    const id = message.id ?? uuid()
    let text
    try {
      text = JSON.stringify({ ...message, id })
    } catch (error) {
      return no('badParameter', `not valid as JSON: ${error}`)
    }
    // The hub could not read such a message, so its reply would not carry the id.
    if (/(?<!\\)(\\\\)*\\ud[89a-f]/.test(text))
      return no('badParameter', 'a text contains half a character (a lone surrogate)')
    if (typeof id !== 'string' || !/^[^\p{Cc}\p{Bidi_C}]+$/u.test(id) || bytes(id) > 128) {
      return no('badParameter', 'id: 1 to 128 bytes, no control characters')
    }
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    const same = this.#calls.get(id)
    if (same)
      return same.text === text
        ? this.#wait(id, same, options)
        : no('idTaken', `another pending call has the id "${id}"`)
    if (this.#calls.size >= CALLS_MAX) return no('limit', `${CALLS_MAX} calls are pending already`)
    if (this.#welcomedAt && bytes(text) > this.#maxBytes) return no('badParameter', this.#tooLong())
    const call = /** @type {Call} */ ({ text, type, since: Date.now(), retries: 0, resting: false, waiting: 0 })
    call.promise = new Promise((resolve, reject) => Object.assign(call, { resolve, reject }))
    this.#calls.set(id, call)
    this.send(text)
    return this.#wait(id, call, options)
  }

  /**
   * Waits on behalf of one caller. When the last caller gives up, the call is not sent again. @param {string} id
   * @param {Call} call @param {CallOptions} options @returns {Promise<any>}
   */
  #wait(id, call, { signal, timeoutMs }) {
    /** @type {any} */ let timer
    /** @type {any} */ let stop
    call.waiting++
    const given = new Promise((_, reject) => {
      if (timeoutMs !== undefined)
        timer = setTimeout(
          () => reject(failure(call.type, 'timeout', `no answer within ${timeoutMs} ms`)),
          Math.min(timeoutMs, TIMER_MAX_MS),
        )
      signal?.addEventListener('abort', (stop = () => reject(signal.reason)))
    })
    return Promise.race([call.promise, given]).finally(() => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      if (--call.waiting || this.#calls.get(id) !== call) return
      this.#outbox = this.#outbox.filter((text) => text !== call.text)
      this.#settle(id, call.resolve)
    })
  }

  /** @param {string} text */
  send(text) {
    if (this.state !== 'open') return
    this.#outbox.push(text)
    this.#pump()
  }

  /** @param {string} token @param {CallOptions} [options] */
  refresh(token, options) {
    if (typeof this.#token !== 'function') this.#token = token
    return this.call({ type: 'refresh', token }, options)
  }

  close() {
    this.#end(1000, 'the client was closed')
  }

  async #connect() {
    if (this.state === 'closed') return
    const attempt = ++this.#attempt
    this.#refusal = ''
    this.#timer('open', OPEN_MS, () => this.#lost(1006, 'the hub sent no welcome in time'))
    const { code, reason } = this.now
    this.#setState('connecting', { code, reason })
    const token = this.#token
    try {
      const fresh = typeof token === 'function' ? await this.#ask(token) : token
      if (attempt !== this.#attempt || this.state !== 'connecting') return
      const socket = (this.#socket = new this.#WebSocket(this.#url, ['deskbell.v1']))
      socket.onopen = () => this.#transmit(JSON.stringify({ ...this.#hello, token: fresh }))
      socket.onmessage = (/** @type {any} */ event) => this.#receive(event.data, fresh)
      socket.onclose = (/** @type {any} */ event) => this.#lost(event.code, event.reason)
      // In Node this event has the reason. In a browser it has none, and `close` follows.
      socket.onerror = (/** @type {any} */ event) => {
        if (socket === this.#socket) this.#lost(1006, event.message ?? '')
      }
    } catch (error) {
      // A page on https: may never open ws:. A token function that failed may succeed later.
      const final = /** @type {any} */ (error)?.name === 'SecurityError'
      if (attempt === this.#attempt) this.#lost(final ? 4403 : 1006, String(error))
    }
  }

  /** After the connection is lost: reconnects, or ends. @param {number} code @param {string} reason */
  #lost(code, reason) {
    if (this.state === 'closed') return
    reason ||=
      this.#refusal ||
      (code !== 1006
        ? `the hub closed the connection with ${code}`
        : this.state === 'open'
          ? 'the connection broke'
          : `no hub answers at ${this.#url}`)
    this.#drop()
    if (this.state === 'open') {
      this.#aliveAt = this.#heardAt
      if (Date.now() - this.#welcomedAt > STEADY_MS) this.#failures = 0
    } else {
      this.#forgetOld([])
    }
    if (code === 4401) this.#latest = ''
    const refused = code === 4401 && (typeof this.#token !== 'function' || ++this.#refusals > 3)
    if (refused || FINAL.has(code)) return this.#end(code, reason)
    // Full jitter, because thousands of clients may have lost the same hub.
    const pause = code === 1013 || code === 4429 ? 1_000 : 0
    const delayMs = pause + Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures++)
    this.#timer('retry', delayMs, () => this.#connect())
    this.#setState('waiting', { code, reason, retryInMs: Math.round(delayMs) })
  }

  /** Ignores the old socket from now on, so that two never deliver messages. */
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
    const detail = this.#refusal || reason
    const error = (/** @type {string} */ type) => ({
      ...failure(type, FINAL.get(code) ?? (code === 4401 ? 'notAllowed' : 'unavailable'), detail),
      closeCode: code,
    })
    for (const [id, call] of this.#calls) this.#settle(id, call.reject, error(call.type))
    this.#setState('closed', { code, reason: detail })
    this.#tell.ended(error(''))
  }

  /** @param {any} data @param {string} [token] the token of this connection */
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
      if (bytes(call.text) > this.#maxBytes)
        this.#settle(id, call.reject, failure(call.type, 'badParameter', this.#tooLong()))
      else if (!call.resting) this.#outbox.push(call.text)
    }
    this.now = { state: 'open', since: this.#welcomedAt }
    this.#tell.welcome(message)
    if (this.#socket) this.#tell.state(this.now)
  }

  /** @param {Message} message */
  #answered(message) {
    const call = this.#calls.get(message.id)
    if (!call) {
      if (message.type === 'error' && this.state === 'connecting') this.#refusal = message.detail ?? message.message
    } else if (message.type === 'error') {
      if (!this.#later(message, call))
        this.#settle(message.id, call.reject, { msdyn_name: CALLS.get(call.type), ...message })
    } else if (message.type !== 'ack' && message.type !== 'pong') {
      this.#settle(message.id, call.resolve, message)
    }
  }

  /** Repeats the call later if the hub asks for that. @param {Message} error @param {Call} call */
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

  /** @param {string} id @param {(value: any) => void} how @param {any} [value] */
  #settle(id, how, value) {
    this.#calls.delete(id)
    this.#timer(`call ${id}`)
    how(value)
  }

  /**
   * Rejects calls that the hub may have settled and forgotten: sent again, they would ring a second time.
   * @param {Message[]} open the notifications that the hub still has
   */
  #forgetOld(open) {
    const giveUpAfterMs = this.#giveUpAfterMs
    const known = new Set(open.map((one) => one.id))
    for (const [id, call] of this.#calls) {
      if (Date.now() - Math.max(call.since, this.#aliveAt) <= giveUpAfterMs || known.has(id)) continue
      this.#settle(
        id,
        call.reject,
        failure(
          call.type,
          'unavailable',
          `the hub was away for more than ${giveUpAfterMs} ms: the outcome is not known`,
        ),
      )
    }
  }

  #tooLong() {
    return `the message is longer than ${this.#maxBytes} bytes`
  }

  /** Sends queued messages within the rate limit. */
  #pump() {
    if (this.state !== 'open' || this.#timers.pump) return
    const rate = this.#messagesPerSecond
    const now = Date.now()
    this.#budget = Math.min(rate, this.#budget + (Math.max(0, now - this.#budgetAt) * rate) / 1_000)
    this.#budgetAt = now
    // Removed from the queue first: a listener may call or close.
    for (; this.#outbox.length && this.#budget >= 1; this.#budget--)
      this.#transmit(/** @type {string} */ (this.#outbox.shift()))
    if (this.#outbox.length) this.#timer('pump', 10_000 / rate, () => this.#pump())
  }

  /** @param {string} text */
  #transmit(text) {
    this.#socket.send(text)
    const message = JSON.parse(text)
    if (message.token) message.token = '…'
    this.#tell.message('out', message)
  }

  /** A browser does not show the hub's pings to the page, so the client sends a ping after a silence. */
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

  /** The page or the network is back; timers may have been suspended. */
  #wake = () => {
    if (this.state === 'open') this.#probe()
    else if (this.state === 'waiting') this.#timer('retry', Math.random() * BACKOFF_FIRST_MS, () => this.#connect())
  }

  /** A token function that fails does not end a token that still lasts. @param {() => any} token */
  async #ask(token) {
    try {
      this.#latest = await token()
      this.#failed = false
      return this.#latest
    } catch (error) {
      this.#failed = true
      if (this.#lifeMs(this.#latest) > 0) return this.#latest
      throw error
    }
  }

  /** @param {string} token */
  #lifeMs(token) {
    return expiry(token) * 1_000 - Date.now() - this.#clockSkewMs
  }

  /** @param {string} [token] @param {boolean} [again] after a failure */
  #refreshInTime(token, again) {
    if (typeof this.#token !== 'function' || !token) return
    const lifeMs = this.#lifeMs(token)
    if (!(lifeMs > 0)) return
    const inMs = again ? Math.max(1_000, Math.min(AGAIN_MS, lifeMs / 2)) : Math.max(lifeMs - EARLY_MS, lifeMs / 2)
    this.#timer('refresh', Math.min(inMs, TIMER_MAX_MS), async () => {
      const attempt = this.#attempt
      try {
        const fresh = await this.#token()
        await this.call({ type: 'refresh', token: fresh })
        this.#latest = fresh
        this.#failed = false
        if (attempt === this.#attempt) this.#refreshInTime(fresh)
      } catch {
        // At the end the hub closes with 4401, and the reconnection gets a token.
        this.#failed = true
        if (attempt === this.#attempt) this.#refreshInTime(token, true)
      }
    })
  }

  /**
   * Starts a timer. Without a delay it only stops it. @param {string} name @param {number} [ms]
   * @param {() => void} [then]
   */
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

  get state() {
    return this.now.state
  }

  get signInEndsAt() {
    const token = typeof this.#token !== 'function' ? this.#token : this.#failed ? this.#latest : ''
    return expiry(token) * 1_000 || Infinity
  }

  /** @param {StateChange['state']} state @param {Message} [more] */
  #setState(state, more) {
    this.now = { state, since: Date.now(), ...more }
    this.#tell.state(this.now)
  }
}

/** @template {ClientEvents<any>} E */
class Client extends EventTarget {
  /** @type {E['welcome'] | null} */ welcome = null
  /** @type {Promise<E['welcome']>} */ ready
  /** @protected @type {Message} */ _hello
  /** @protected @type {Connection} */ _connection

  /** @param {string | URL} url @param {Message} options @param {Message} hello */
  constructor(url, options, hello) {
    super()
    this._hello = { type: 'hello', ...hello }
    /** @type {(value: any) => void} */ let resolve
    /** @type {(error: any) => void} */ let reject
    this.ready = new Promise((yes, no) => {
      ;[resolve, reject] = [yes, no]
    })
    // Otherwise a caller that does not use `ready` gets an unhandled rejection.
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

  get state() {
    return this._connection.state
  }

  get connection() {
    return this._connection.now
  }

  get signInEndsAt() {
    return this._connection.signInEndsAt
  }

  /**
   * @template {keyof E & string} K @param {K} type @param {(detail: E[K]) => void} listener @param {ListenOptions}
   * [options] @returns {() => void}
   */
  on(type, listener, options) {
    const handler = (/** @type {any} */ event) => listener(event.detail)
    this.addEventListener(type, handler, options)
    return () => this.removeEventListener(type, handler)
  }

  /** @param {string} token @param {CallOptions} [options] @returns {Promise<{ type: 'refreshed' }>} */
  refresh(token, options) {
    return this._connection.refresh(token, options)
  }

  /** @param {string} sessionId @param {CallOptions} [options] @returns {Promise<EmptyResult>} */
  endSession(sessionId, options) {
    return this._call('endSession', { sessionId }, options)
  }

  close() {
    this._connection.close()
  }

  /** @protected @param {string} type @param {Message} message @param {CallOptions} [options] */
  _call(type, message, options) {
    return this._connection.call({ correlationId: options?.correlationId, ...message, type }, options)
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

/** @extends {Client<ProviderEvents>} */
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

  /** @param {NotifyInput} input @param {CallOptions} [options] @returns {Promise<NotifyResult>} */
  notify(input, options) {
    return this._call('notify', input, options)
  }

  /** @param {string} cancellationToken @param {CallOptions} [options] @returns {Promise<CancelResult>} */
  cancel(cancellationToken, options) {
    return this._call('cancel', { cancellationToken }, options)
  }

  /**
   * @param {string} sessionId @param {boolean} [shouldReset] @param {string} [details] @param {CallOptions} [options]
   * @returns {Promise<EmptyResult>}
   */
  kpi(sessionId, shouldReset, details, options) {
    return this._call('kpi', { sessionId, shouldReset, details }, options)
  }

  /** @param {string} sessionId @param {number} count @param {CallOptions} [options] @returns {Promise<EmptyResult>} */
  activity(sessionId, count, options) {
    return this._call('activity', { sessionId, count }, options)
  }

  /** @protected @param {Message} welcome */
  _welcomed(welcome) {
    this._hello.providerId = welcome.providerId
    this._hello.resume ??= true
  }

  /** @protected @param {Message} message */
  _receive(message) {
    // After a reconnection the result may arrive first.
    if (message.type === 'ack' && !this.#seen.has(message.notificationId)) this._emit('ack', message)
    if (message.type !== 'result' || message.msdyn_name !== 'NotifyEvent') return
    this._hello.resume = message.position ?? this._hello.resume
    if (this.#seen.has(message.notificationId)) return
    this.#seen.add(message.notificationId)
    // A set iterates in insertion order, so this is the oldest.
    if (this.#seen.size > RESULTS_REMEMBERED)
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest)
        break
      }
    this._emit('result', message)
  }
}

/** @extends {Client<AgentEvents>} */
export class Agent extends Client {
  /** @type {readonly Notification[]} */ notifications = []
  /** @type {readonly Session[]} */ sessions = []
  /** @type {readonly Kpi[]} */ kpi = []
  /** @type {Presence | undefined} */ presence
  /** @type {WeakMap<object, number>} arrival of each notification, by the monotonic clock */ #cameAt = new WeakMap()
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

  /** @param {string} notificationId @param {CallOptions} [options] @returns {Promise<AnswerResult>} */
  accept(notificationId, options) {
    return this._call('accept', { notificationId }, options)
  }

  /**
   * @param {string} notificationId @param {string} [reason] @param {CallOptions} [options] @returns
   * {Promise<AnswerResult>}
   */
  reject(notificationId, reason, options) {
    return this._call('reject', { notificationId, reason }, options)
  }

  /** @param {string} notificationId @returns {void} */
  seen(notificationId) {
    if (this.#looked.has(notificationId)) return
    this.#looked.add(notificationId)
    this._connection.send(JSON.stringify({ type: 'seen', notificationId }))
  }

  /** @param {Presence} presence @param {CallOptions} [options] @returns {Promise<PresenceMessage>} */
  setPresence(presence, options) {
    return this._call('presence', { presence }, options)
  }

  /** @param {string} sessionId @param {CallOptions} [options] @returns {Promise<ContextMessage>} */
  getContext(sessionId, options) {
    return this._call('getContext', { sessionId }, options)
  }

  /** @protected @param {Message} welcome */
  _welcomed(welcome) {
    this._hello.agentId = welcome.agentId
    // From now on the hub keeps the last choice, from this tab or another.
    delete this._hello.presence
    this.presence = welcome.presence
    this.notifications = welcome.notifications ?? []
    this.sessions = welcome.sessions ?? []
    this.kpi = welcome.kpi ?? []
    const looked = this.#looked
    this.#looked = new Set()
    for (const one of this.notifications) {
      this.#cameAt.set(one, performance.now())
      // The hub may not have received it. Sending it twice is harmless.
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

/** @extends {Client<ObserverEvents>} */
export class Observer extends Client {
  /** @param {string | URL} url @param {Options} [options] */
  constructor(url, options = {}) {
    super(url, options, { role: 'observer' })
  }

  /** @protected @param {Message} message */
  _receive(message) {
    if (message.type === 'event' || message.type === 'stats') this._emit(message.type, message)
  }
}

/** @param {string | URL | Provider} url @param {ProviderOptions} [options] */
export async function install(url, options) {
  const provider = url instanceof Provider ? url : new Provider(url, options)
  /** @type {CIFramework} */
  const framework = {
    notifyEvent: (input, correlationId, cancellationToken) =>
      readable(
        provider.notify({
          ...input,
          templateParameters: textsOf(input?.templateParameters),
          correlationId: guid(correlationId ?? input?.correlationId),
          cancellationToken: input?.cancellationToken ?? cancellationToken,
        }),
      ),
    cancelEvent: (cancellationToken, correlationId) =>
      readable(provider.cancel(cancellationToken, { correlationId: guid(correlationId) })),
    notifyKpiBreach: (sessionId, breached, details, correlationId) => {
      if (breached === false && details)
        console.warn(
          'deskbell: notifyKpiBreach(id, false, details) clears the mark and drops the details. Pass true to set it.',
        )
      return readable(
        provider.kpi(sessionId, breached === false, details ?? undefined, { correlationId: guid(correlationId) }),
      )
    },
    notifyNewActivity: (sessionId, count) => readable(provider.activity(sessionId, count)),
  }
  globalThis.Microsoft = { ...globalThis.Microsoft, CIFramework: framework }
  await provider.ready
  return provider
}

/**
 * The same result or error, which `JSON.parse` can read too: the framework's own results and errors are JSON texts, of
 * the outcome alone.
 * @param {Promise<any>} call @returns {Promise<any>}
 */
function readable(call) {
  const both = (/** @type {any} */ value, /** @type {any} */ as) =>
    Object.defineProperty(value, 'toString', { value: () => JSON.stringify(as), configurable: true, writable: true })
  return call.then(
    (result) => both(result, result.value),
    (error) => Promise.reject(error?.message ? both(error, error) : error),
  )
}

/** An id that is not a GUID has a meaning in the framework only, so it is not sent. @param {any} id */
function guid(id) {
  const bare = String(id).replace(/^\{(.*)\}$/, '$1')
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$|^[\da-f]{32}$/i.test(bare) ? id : undefined
}

/** Objects among the values become JSON texts. @param {any} parameters */
function textsOf(parameters) {
  if (!parameters || typeof parameters !== 'object' || Array.isArray(parameters)) return parameters
  const text = (/** @type {any} */ value) => (value && typeof value === 'object' ? JSON.stringify(value) : value)
  try {
    return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, text(value)]))
  } catch {
    // Not valid as JSON: the call is rejected with the reason.
    return parameters
  }
}

/** @param {string} type @param {string} code @param {string} detail */
function failure(type, code, detail) {
  return { message: 'RejectAfterClientError', msdyn_name: CALLS.get(type), code, detail }
}

/** @param {string} text */
function bytes(text) {
  return new TextEncoder().encode(text).length
}

/** `ws://…/ws`, also from the address of the hub's first page (`https://…/`). @param {string | URL} url */
function socketUrl(url) {
  const full = new URL(url, globalThis.location?.href)
  full.protocol = full.protocol.replace('http', 'ws')
  full.hash = ''
  if (full.pathname.endsWith('/')) full.pathname += 'ws'
  return full.href
}

/** @returns {[EventTarget, string][]} */
function wakeUps() {
  const { window, document } = globalThis
  return document
    ? [
        [window, 'online'],
        [window, 'pageshow'],
        [document, 'visibilitychange'],
      ]
    : []
}

/** In seconds since 1970. @param {string} token */
function expiry(token) {
  try {
    return Number(JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).exp)
  } catch {
    return NaN
  }
}

/** A page that came by plain http has no crypto.randomUUID. */
function uuid() {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )
  return hex.replace(/(.{8})(.{4}).(.{3}).(.{3})(.{12})/, '$1-$2-4$3-a$4-$5')
}
