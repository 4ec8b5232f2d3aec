/**
 * The types of deskbell.js. `npm run types` holds them against the source.
 * Times in fields that end in `Ms` are milliseconds; others are RFC 3339, UTC.
 */

/** How a notification ended. Exactly one per notification, ever. */
export type Outcome =
  | { actionName: 'Accept'; responseReason: 'Accept' | 'AutoAccept' | 'AutoAcceptOnTimeout' }
  | {
      actionName: 'Reject'
      responseReason: 'DeclinedByAgent' | 'NotificationQueueLimitExceeded' | 'NotificationQueueTimeLimitExceeded'
    }
  | { actionName: 'Timeout'; responseReason: 'DisplayTimeout' }
  | { actionName: 'Cancel'; responseReason: 'Cancelled' }

export type Presence = 'available' | 'away'

/** The numbers and booleans of a template are taken as JSON writes them. */
export type TemplateParameters = Record<string, string | number | boolean>

export interface Options {
  /**
   * A JWT, or a function that gets one. With a function the client asks anew whenever it connects, and
   * half a minute before the token ends; with a string a 4401 is the end.
   */
  token?: string | (() => string | Promise<string>)
  /** The class to connect with, if `globalThis` has none: undici's, or that of ws. */
  WebSocket?: unknown
  /**
   * After how long an absence of the hub its calls are given up (rejected, `unavailable`), unless the hub
   * still has them open. Default 540 000: less than the ten minutes for which a hub remembers what is
   * settled, since what it has forgotten would ring a second time.
   */
  giveUpAfterMs?: number
  /** How fast to send, also after a reconnect. Default 150, less than the hub's own default limit. */
  messagesPerSecond?: number
  /** Aborted, it closes the client, as `close()` does. */
  signal?: AbortSignal
}

/** How long a caller waits. Without any of these a call waits until it is settled, also over reconnections. */
export interface CallOptions {
  /**
   * Aborted, the call rejects at once with the signal's `reason`. It stops the waiting, also for a connection, and
   * not what the hub may have begun: a notification that it holds rings on, until `cancel` withdraws it.
   */
  signal?: AbortSignal
  /** Likewise after so long; the call then rejects with a `CallError` of code `timeout`. */
  timeoutMs?: number
  /** A GUID, to group calls by. For a notify, that in its input wins. */
  correlationId?: string
}

export interface ListenOptions {
  /** Aborted, it stops listening. */
  signal?: AbortSignal
  once?: boolean
}

export interface ProviderOptions extends Options {
  /**
   * Name it if the provider shall come back as itself after a reload. One that is minted holds as long as this
   * object.
   */
  providerId?: string
  /**
   * A `position` kept from earlier: what was settled since comes as `result` events. `true`: all that the hub
   * retains.
   */
  resume?: string | true
}

export interface AgentOptions extends Options {
  agentId?: string
  groups?: string[]
  /** Said once; afterwards the hub keeps what the agent chose last. */
  presence?: Presence
}

/**
 * What every call is rejected with, unless a signal's `reason`. It is a plain object, as in the Channel Integration
 * Framework.
 */
export interface CallError {
  message: 'NotificationTemplateNotFoundError' | 'NotificationTemplateResolverNotFoundError' | 'RejectAfterClientError'
  msdyn_name?: 'NotifyEvent' | 'CancelEvent' | 'NotifyKpiBreach' | 'NotifyNewActivity'
  code:
    | 'badMessage'
    | 'badParameter'
    | 'unknownTemplate'
    | 'unresolvedParameter'
    | 'badToken'
    | 'notAllowed'
    | 'notFound'
    | 'idTaken'
    | 'tokenTaken'
    | 'limit'
    | 'rateLimited'
    | 'unavailable'
    /** Of this client, after `timeoutMs`; whether the hub has done it is not known. */
    | 'timeout'
  /** For people: what is wrong, and where. */
  detail: string
  retryAfterMs?: number
  /** If the connection ended for good: the WebSocket close code. */
  closeCode?: number
}

export interface NotifyInput {
  /** Default: a UUID. A call repeated under the same id is the same notification. */
  id?: string
  templateName: string
  templateParameters?: TemplateParameters
  cancellationToken?: string
  sessionId?: string
  to?: { agents?: string[]; groups?: string[] }
  /** A GUID, to group calls by. */
  correlationId?: string
}

export interface Ack {
  type: 'ack'
  id?: string
  correlationId: string
  msdyn_name: 'NotifyEvent'
  notificationId: string
  duplicate: boolean
}

export interface NotifyResult {
  type: 'result'
  id?: string
  correlationId: string
  msdyn_name: 'NotifyEvent'
  notificationId: string
  value: Outcome
  /** Who settled it; absent if nobody did. */
  agentId?: string
  /** For an Accept only. */
  sessionId?: string
  cancellationToken?: string
  declineReason?: string
  elapsedMs: number
  /** How many agents it was displayed to, how many looked, how many rejected it. */
  reach: { displayed: number; seen: number; rejected: number }
  position: string
}

export interface CancelResult {
  type: 'result'
  id?: string
  correlationId: string
  msdyn_name: 'CancelEvent'
  cancellationToken: string
  notificationId: string
  /** The notification's outcome: what came first, the cancel or another answer. */
  value: Outcome
}

export interface EmptyResult {
  type: 'result'
  id?: string
  correlationId?: string
  msdyn_name?: 'NotifyKpiBreach' | 'NotifyNewActivity'
  value: null
}

export interface AnswerResult {
  type: 'result'
  id?: string
  notificationId: string
  correlationId: string
  /** `null`: this reject alone does not settle it. */
  value: Outcome | null
  agentId?: string
  /** Whether this agent's answer settled it. */
  won: boolean
}

export interface Notification {
  type: 'notification'
  notificationId: string
  correlationId: string
  templateName: string
  title: string
  icon?: string
  fields: { label: string; value: string }[]
  buttons: { accept: string; reject: string }
  providerId: string
  sessionId: string
  notifiedAt: string
  timeoutMs: number
  /** When the message was sent; `agent.remainingMs(notification)` is what remains now. */
  remainingMs: number
  showTimeout: boolean
}

export interface Closed {
  type: 'closed'
  notificationId: string
  correlationId: string
  value: Outcome | null
  agentId?: string
}

export interface Session {
  type: 'session'
  sessionId: string
  notificationId: string
  correlationId: string
  title: string
  startedAt: string
  breached: boolean
  unread: number
}

export interface SessionEnded {
  type: 'sessionEnded'
  sessionId: string
}

export interface Kpi {
  type: 'kpi'
  sessionId: string
  breached: boolean
  details?: string
  correlationId?: string
  since?: string
}

export interface Activity {
  type: 'activity'
  sessionId: string
  count: number
}

export interface PresenceMessage {
  type: 'presence'
  presence: Presence
}

export interface Welcome {
  type: 'welcome'
  workspace: string
  connectionId: string
  protocol: number
  pingIntervalMs: number
  /** How long the hub keeps a settled notification for resume and for repeated notifies. */
  retentionMs: number
  serverTime: string
  limits: { maxMessageBytes: number; displayLimit: number; queueLimit: number }
}

export interface ProviderWelcome extends Welcome {
  role: 'provider'
  providerId: string
  /** What has no outcome yet. */
  open: { notificationId: string; id?: string; correlationId: string; cancellationToken?: string }[]
  /** Some outcomes after the position are forgotten already. */
  missed?: boolean
}

export interface AgentWelcome extends Welcome {
  role: 'agent'
  agentId: string
  groups: string[]
  presence: Presence
  notifications: Notification[]
  sessions: Session[]
  kpi: Kpi[]
}

/** How the connection is. */
export interface StateChange {
  /** `waiting` for the next try; `closed` for good. */
  state: 'connecting' | 'open' | 'waiting' | 'closed'
  /** When it became so, by `Date.now()`. */
  since: number
  /** Why the last connection, or the last try, ended: with `waiting` and `closed`, and with `connecting` after one. */
  code?: number
  /**
   * The same for people, and never empty: the hub's own words, what the WebSocket says, or that no hub answers and
   * where.
   */
  reason?: string
  /** From `since` to the next try, at the latest. */
  retryInMs?: number
}

export interface ClientEvents<W> {
  state: StateChange
  /** Each time that a connection stands. */
  welcome: W
  /** Everything that goes over the wire, as it passes (tokens left out). */
  message: { direction: 'in' | 'out'; message: Record<string, any> }
  /** The end: closed by this side, or for a reason that coming back would not mend. */
  close: CallError
}

export interface ProviderEvents extends ClientEvents<ProviderWelcome> {
  /** The hub holds it; never after its result. */
  ack: Ack
  /** Every outcome once, also of what this provider raised elsewhere or before. */
  result: NotifyResult
}

export interface AgentEvents extends ClientEvents<AgentWelcome> {
  /**
   * It rings from now on. What rang before the connection stood, also what came while it was away, is not told so: it
   * is
   * in the `notifications` of each `welcome`, and `change` comes for both.
   */
  notification: Notification
  closed: Closed
  session: Session
  sessionEnded: SessionEnded
  kpi: Kpi
  activity: Activity
  presence: PresenceMessage
  /** Something of `notifications`, `sessions`, `kpi` or `presence` is new. */
  change: Agent
}

export interface ObserverWelcome extends Welcome {
  role: 'observer'
}

/** Something happened in the workspace. It carries the fields that apply. */
export interface WorkspaceEvent {
  type: 'event'
  event:
    | 'notified'
    | 'displayed'
    | 'settled'
    | 'cancelled'
    | 'kpi'
    | 'presence'
    | 'agentJoined'
    | 'agentLeft'
    | 'providerJoined'
    | 'providerLeft'
  at: string
  notificationId?: string
  correlationId?: string
  agentId?: string
  providerId?: string
  sessionId?: string
  value?: Outcome
  breached?: boolean
  presence?: Presence
}

/** The workspace in numbers, once a second; rates and latencies are of the hub that was asked. */
export interface Stats {
  type: 'stats'
  agents: number
  providers: number
  observers: number
  open: number
  /** Of the open ones, those never displayed to anyone yet. */
  waiting: number
  notifiesPerSecond: number
  deliveriesPerSecond: number
  /** Settled so far, by `responseReason`. */
  outcomes: Partial<Record<Outcome['responseReason'], number>>
  notifyToResultMs: { p50: number; p99: number }
}

export interface ObserverEvents extends ClientEvents<ObserverWelcome> {
  /** Named `event`, as its message is. What happens while the connection is away is not told later. */
  event: WorkspaceEvent
  stats: Stats
}

/** What Provider, Agent and Observer have in common. Events are `CustomEvent`s; `on` hands over their `detail`. */
declare class Client<E extends ClientEvents<any>> extends EventTarget {
  /** Resolves with the first welcome; rejects if the hub does not want this client. */
  readonly ready: Promise<E['welcome']>
  /** The last one, as it came. */
  readonly welcome: E['welcome'] | null
  readonly state: StateChange['state']
  /** What the last `state` event said, for who begins to render it later. Replaced, never changed. */
  readonly connection: StateChange
  /** @returns a function that stops listening */
  on<K extends keyof E & string>(type: K, listener: (detail: E[K]) => void, options?: ListenOptions): () => void
  /**
   * Gives the hub a fresh token on this connection; it is also used for the next. A `token` function is asked by
   * itself.
   */
  refresh(token: string, options?: CallOptions): Promise<{ type: 'refreshed' }>
  endSession(sessionId: string, options?: CallOptions): Promise<EmptyResult>
  /** Ends the connection; what is pending is rejected. */
  close(): void
}

/** Raises notifications and learns their outcomes. */
export class Provider extends Client<ProviderEvents> {
  /** @param url the hub's address, `ws:`, `http:` or relative to the page; `ws` is added to a path that ends with `/` */
  constructor(url: string | URL, options?: ProviderOptions)
  readonly providerId: string | undefined
  /** Keep it and hand it to `resume`, if the outcomes of a time without this object matter. */
  readonly position: string | true | undefined
  /** Resolves with the outcome; `ack` events tell that the hub holds it. */
  notify(input: NotifyInput, options?: CallOptions): Promise<NotifyResult>
  /** Withdraws the notification that bears the token. Resolves with its outcome, whatever came first. */
  cancel(cancellationToken: string, options?: CallOptions): Promise<CancelResult>
  /** Marks a session as in breach, or with `shouldReset` no longer. */
  kpi(sessionId: string, shouldReset?: boolean, details?: string, options?: CallOptions): Promise<EmptyResult>
  /** Sets the session's unread count. */
  activity(sessionId: string, count: number, options?: CallOptions): Promise<EmptyResult>
}

/** A desk: what is on it now, and the answers that a person gives. */
export class Agent extends Client<AgentEvents> {
  /** @param url the hub's address, `ws:`, `http:` or relative to the page; `ws` is added to a path that ends with `/` */
  constructor(url: string | URL, options?: AgentOptions)
  readonly agentId: string | undefined
  /** What is on the desk, in order of display. The arrays are replaced, never changed. */
  readonly notifications: readonly Notification[]
  readonly sessions: readonly Session[]
  /** The breaches that stand, of all sessions of the workspace. */
  readonly kpi: readonly Kpi[]
  readonly presence: Presence | undefined
  /** What remains of its display time now, by a clock that nobody sets. */
  remainingMs(notification: Notification): number
  accept(notificationId: string, options?: CallOptions): Promise<AnswerResult>
  reject(notificationId: string, reason?: string, options?: CallOptions): Promise<AnswerResult>
  /** To be called once it has been before someone's eyes. */
  seen(notificationId: string): void
  setPresence(presence: Presence, options?: CallOptions): Promise<PresenceMessage>
}

/** Reads what happens in the workspace, from its welcome on; for dashboards. */
export class Observer extends Client<ObserverEvents> {
  /** @param url the hub's address, `ws:`, `http:` or relative to the page; `ws` is added to a path that ends with `/` */
  constructor(url: string | URL, options?: Options)
}

/** `Microsoft.CIFramework`, as far as it goes. */
export interface CIFramework {
  /** A `cancellationToken` in `input` wins over the third argument. */
  notifyEvent(input: NotifyInput, correlationId?: string, cancellationToken?: string): Promise<NotifyResult>
  cancelEvent(cancellationToken: string, correlationId?: string): Promise<CancelResult>
  /** `shouldReset` clears the mark; its default is `false`. */
  notifyKpiBreach(sessionId: string, shouldReset?: boolean, details?: string): Promise<EmptyResult>
  notifyNewActivity(sessionId: string, count: number): Promise<EmptyResult>
}

/**
 * Connects as a provider and sets `Microsoft.CIFramework`. What is called before the connection stands waits for it.
 * @param url the hub's address, or a provider that is there already
 * @returns once connected
 */
export function install(url: string | URL | Provider, options?: ProviderOptions): Promise<Provider>

declare global {
  var Microsoft: { CIFramework: CIFramework }
}

export {}
