/**
 * The types of deskbell.js. `npm run types` checks them against the source.
 * Fields that end in `Ms` are milliseconds. Other times are RFC 3339 in UTC.
 */

/** How a notification ended. Each notification has exactly one outcome. */
export type Outcome =
  | { actionName: 'Accept'; responseReason: 'Accept' | 'AutoAccept' | 'AutoAcceptOnTimeout' }
  | {
      actionName: 'Reject'
      responseReason: 'DeclinedByAgent' | 'NotificationQueueLimitExceeded' | 'NotificationQueueTimeLimitExceeded'
    }
  | { actionName: 'Timeout'; responseReason: 'DisplayTimeout' }
  | { actionName: 'Cancel'; responseReason: 'Cancelled' }

export type Presence = 'available' | 'away'

/** Values for the placeholders of a template. Numbers and booleans are inserted as JSON writes them. */
export type TemplateParameters = Record<string, string | number | boolean>

export interface Options {
  /**
   * A JWT, or a function that returns one. The client calls the function each time it connects, and half a minute
   * before the token expires. With a string, the client ends when the hub closes the connection with 4401.
   */
  token?: string | (() => string | Promise<string>)
  /** The WebSocket class to use where `globalThis` has none, for example that of undici or ws. */
  WebSocket?: unknown
  /**
   * After this long without a connection, pending calls are rejected with `unavailable`, unless the hub still has
   * them open. Default: 540 000. A hub remembers settled notifications for ten minutes; a call repeated later than that
   * would ring a second time.
   */
  giveUpAfterMs?: number
  /** Greatest number of messages per second, also after a reconnection. Default: 150, below the hub's default limit. */
  messagesPerSecond?: number
  /** Aborting it closes the client, as `close()` does. */
  signal?: AbortSignal
}

/** How long a call waits. Without these options it waits until it has a result, also across reconnections. */
export interface CallOptions {
  /**
   * Aborting it rejects the call at once with the signal's `reason`. This ends only the wait. A notification that the
   * hub already has rings on until `cancel` withdraws it.
   */
  signal?: AbortSignal
  /** Ends the wait after this long. The call is rejected with a `CallError` of code `timeout`. */
  timeoutMs?: number
  /** A GUID that groups calls. For `notify`, a `correlationId` in its input takes precedence. */
  correlationId?: string
}

export interface ListenOptions {
  /** Aborting it removes the listener. */
  signal?: AbortSignal
  once?: boolean
}

export interface ProviderOptions extends Options {
  /**
   * Set it if the provider must keep its identity across a reload. Otherwise the hub generates one, which this object
   * keeps for as long as it lives.
   */
  providerId?: string
  /**
   * A `position` from an earlier connection: every outcome since then arrives as a `result` event. `true`: every
   * outcome that the hub retains.
   */
  resume?: string | true
}

export interface AgentOptions extends Options {
  agentId?: string
  groups?: string[]
  /** Sent with the first connection only. After that the hub keeps the agent's last choice. */
  presence?: Presence
}

/**
 * The reason with which calls are rejected, except for calls aborted by a signal. It is a plain object, as in the
 * Channel Integration Framework.
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
    /** Set by this client after `timeoutMs`. The hub may or may not have carried out the call. */
    | 'timeout'
  /** A sentence for people: what is wrong, and where. */
  detail: string
  retryAfterMs?: number
  /** The WebSocket close code, if the client will not reconnect. */
  closeCode?: number
}

export interface NotifyInput {
  /** Default: a UUID. A call repeated with the same id is the same notification. */
  id?: string
  templateName: string
  templateParameters?: TemplateParameters
  cancellationToken?: string
  sessionId?: string
  to?: { agents?: string[]; groups?: string[] }
  /** 0 to 9. Overrides the template's priority. */
  priority?: number
  /**
   * For the agent who gets the session, and nobody else: an object that is at most 8192 bytes as JSON. A number keeps
   * the digits that JSON.stringify gives it.
   */
  context?: Record<string, unknown>
  /** A GUID that groups calls. */
  correlationId?: string
}

export interface Ack {
  type: 'ack'
  id?: string
  correlationId: string
  msdyn_name: 'NotifyEvent'
  notificationId: string
  duplicate: boolean
  /** Parameters that no placeholder of the template takes, as `templateParameters.name`. */
  unused?: string[]
  /** Agents in `to` that the hub has never seen in the workspace, or has forgotten, as `to.agents.name`. */
  unknown?: string[]
}

export interface NotifyResult {
  type: 'result'
  id?: string
  correlationId: string
  msdyn_name: 'NotifyEvent'
  notificationId: string
  value: Outcome
  /** The agent whose answer settled it. Absent if no answer did. */
  agentId?: string
  /** The session that an accept began. Absent for other outcomes. */
  sessionId?: string
  cancellationToken?: string
  declineReason?: string
  elapsedMs: number
  /** How many agents it was displayed to, how many saw it, and how many rejected it. */
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
  /** The notification's outcome: that of the cancel, or of the answer that came before it. */
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
  /** `null` if this reject alone does not settle the notification. */
  value: Outcome | null
  agentId?: string
  /** Whether this agent's answer settled it. */
  won: boolean
}

/** A line of a card. */
export interface CardField {
  label: string
  value: string
}

export interface Notification {
  type: 'notification'
  notificationId: string
  correlationId: string
  templateName: string
  title: string
  icon?: string
  fields: CardField[]
  buttons: { accept: string; reject: string }
  providerId: string
  sessionId: string
  notifiedAt: string
  timeoutMs: number
  /** Display time left when the message was sent. `agent.remainingMs(notification)` returns what is left now. */
  remainingMs: number
  showTimeout: boolean
  /** 0 to 9. Waiting notifications are ordered by priority, the highest first. */
  priority: number
  /** The address of the customer's page. Open it with `noopener noreferrer`. */
  link?: string
  /** The template's sound. Without one the page chooses. */
  sound?: 'phone' | 'chat' | 'soft' | 'none'
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
  /** Title, icon, fields and link are those of the notification that began the session. */
  icon?: string
  fields: CardField[]
  link?: string
  /** The provider's. It is not in a welcome; see hasContext. */
  context?: Record<string, unknown>
  /** In a welcome: getContext returns the context of this session. */
  hasContext?: true
}

/** The reply to getContext. */
export interface ContextMessage {
  type: 'context'
  id?: string
  correlationId?: string
  sessionId: string
  context: Record<string, unknown>
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
  /** This provider's notifications without an outcome. */
  open: { notificationId: string; id?: string; correlationId: string; cancellationToken?: string }[]
  /** True if the hub no longer retains some outcomes after the position. */
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

/** The state of the connection. */
export interface StateChange {
  /** `waiting`: before the next attempt. `closed`: the client will not reconnect. */
  state: 'connecting' | 'open' | 'waiting' | 'closed'
  /** When this state began, by `Date.now()`. */
  since: number
  /** The close code of the last connection or attempt. Set in `waiting` and `closed`, and in a later `connecting`. */
  code?: number
  /**
   * The reason as a sentence for people, never empty: the hub's own text, the WebSocket's, or that no hub answers at
   * that address.
   */
  reason?: string
  /** The longest time from `since` to the next attempt. */
  retryInMs?: number
}

export interface ClientEvents<W> {
  state: StateChange
  /** Fires each time the hub has accepted a connection. */
  welcome: W
  /** Every message on the wire, without tokens. */
  message: { direction: 'in' | 'out'; message: Record<string, any> }
  /** The client has ended: it was closed, or for a reason that a reconnection would not change. */
  close: CallError
}

export interface ProviderEvents extends ClientEvents<ProviderWelcome> {
  /** The hub has the notification. It never arrives after the notification's result. */
  ack: Ack
  /** Every outcome once, including those of notifications that this provider raised elsewhere or earlier. */
  result: NotifyResult
}

export interface AgentEvents extends ClientEvents<AgentWelcome> {
  /**
   * A notification begins to ring. Notifications that rang before the connection, or while it was lost, have no such
   * event: they are in the `notifications` of the `welcome`. `change` fires for both.
   */
  notification: Notification
  closed: Closed
  session: Session
  sessionEnded: SessionEnded
  kpi: Kpi
  activity: Activity
  presence: PresenceMessage
  /** `notifications`, `sessions`, `kpi` or `presence` has changed. */
  change: Agent
}

export interface ObserverWelcome extends Welcome {
  role: 'observer'
}

/** An event in the workspace. Only the fields that apply to it are present. */
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

/** Figures of the workspace, once a second. Rates and latencies are those of the connected hub. */
export interface Stats {
  type: 'stats'
  agents: number
  providers: number
  observers: number
  open: number
  /** Open notifications that no desk has displayed yet. */
  waiting: number
  notifiesPerSecond: number
  deliveriesPerSecond: number
  /** The number of settled notifications, by `responseReason`. */
  outcomes: Partial<Record<Outcome['responseReason'], number>>
  notifyToResultMs: { p50: number; p99: number }
}

export interface ObserverEvents extends ClientEvents<ObserverWelcome> {
  /** Named `event`, like its message. Events during a lost connection are not delivered later. */
  event: WorkspaceEvent
  stats: Stats
}

/** The base of Provider, Agent and Observer. Events are `CustomEvent`s; `on` passes their `detail`. */
declare class Client<E extends ClientEvents<any>> extends EventTarget {
  /** Resolves with the first welcome. Rejects if the hub refuses this client. */
  readonly ready: Promise<E['welcome']>
  /** The last welcome, unchanged. */
  readonly welcome: E['welcome'] | null
  readonly state: StateChange['state']
  /** The last `state` event. The object is replaced, never changed. */
  readonly connection: StateChange
  /**
   * When the token ends if nothing renews it, in milliseconds since 1970: for a token string, or after a token function
   * has failed. Otherwise Infinity.
   */
  readonly signInEndsAt: number
  /** @returns a function that stops listening */
  on<K extends keyof E & string>(type: K, listener: (detail: E[K]) => void, options?: ListenOptions): () => void
  /**
   * Sends a new token on this connection, and uses it for later connections. Not needed with a `token` function,
   * which the client calls by itself.
   */
  refresh(token: string, options?: CallOptions): Promise<{ type: 'refreshed' }>
  endSession(sessionId: string, options?: CallOptions): Promise<EmptyResult>
  /** Closes the connection and rejects pending calls. */
  close(): void
}

/** Raises notifications and receives their outcomes. */
export class Provider extends Client<ProviderEvents> {
  /** @param url `ws:`, `http:` or relative to the page; a path that ends with `/` gets `ws` appended */
  constructor(url: string | URL, options?: ProviderOptions)
  readonly providerId: string | undefined
  /** Store it and pass it to `resume` to receive the outcomes of a time without a client. */
  readonly position: string | true | undefined
  /** Resolves with the outcome. The `ack` event says that the hub has the notification. */
  notify(input: NotifyInput, options?: CallOptions): Promise<NotifyResult>
  /** Withdraws the notification with that token. Resolves with its outcome, which may be an earlier answer. */
  cancel(cancellationToken: string, options?: CallOptions): Promise<CancelResult>
  /** Marks a session as in breach. With `shouldReset` it clears the mark. */
  kpi(sessionId: string, shouldReset?: boolean, details?: string, options?: CallOptions): Promise<EmptyResult>
  /** Sets the session's unread count. */
  activity(sessionId: string, count: number, options?: CallOptions): Promise<EmptyResult>
}

/** An agent's desk: what is on it now, and the agent's answers. */
export class Agent extends Client<AgentEvents> {
  /** @param url `ws:`, `http:` or relative to the page; a path that ends with `/` gets `ws` appended */
  constructor(url: string | URL, options?: AgentOptions)
  readonly agentId: string | undefined
  /** The displayed notifications, in order of display. The arrays are replaced, never changed. */
  readonly notifications: readonly Notification[]
  readonly sessions: readonly Session[]
  /** The present breaches of all sessions in the workspace. */
  readonly kpi: readonly Kpi[]
  readonly presence: Presence | undefined
  /** What is left of its display time now. A change of the computer's clock does not affect it. */
  remainingMs(notification: Notification): number
  accept(notificationId: string, options?: CallOptions): Promise<AnswerResult>
  reject(notificationId: string, reason?: string, options?: CallOptions): Promise<AnswerResult>
  /** Call it once the agent has seen the notification. */
  seen(notificationId: string): void
  setPresence(presence: Presence, options?: CallOptions): Promise<PresenceMessage>
  /** The context of a session at this desk. Rejected with `notFound` if it has none. */
  getContext(sessionId: string, options?: CallOptions): Promise<ContextMessage>
}

/** Receives the events of the workspace from its welcome on. For dashboards. */
export class Observer extends Client<ObserverEvents> {
  /** @param url `ws:`, `http:` or relative to the page; a path that ends with `/` gets `ws` appended */
  constructor(url: string | URL, options?: Options)
}

/**
 * A result of the framework: an object that `JSON.parse` can read too. `JSON.parse(result).actionName` and
 * `result.value.actionName` are the same. Errors can be read both ways as well.
 */
export type Readable<T> = T & string

/** As {@link NotifyInput}. A parameter may be an object, sent as JSON text; `correlationId` may be any text. */
export type CIFNotifyInput = Omit<NotifyInput, 'templateParameters'> & { templateParameters?: Record<string, unknown> }

/** The methods of `Microsoft.CIFramework` that deskbell offers. A `correlationId` that is not a GUID is not sent. */
export interface CIFramework {
  /** A `cancellationToken` in `input` takes precedence over the third argument. */
  notifyEvent(
    input: CIFNotifyInput,
    correlationId?: string,
    cancellationToken?: string,
  ): Promise<Readable<NotifyResult>>
  cancelEvent(cancellationToken: string, correlationId?: string): Promise<Readable<CancelResult>>
  /**
   * Marks the session as in breach. Only `breached === false` clears the mark, as with Microsoft's own samples. This is
   * the opposite of `shouldReset` of {@link Provider.kpi}.
   */
  notifyKpiBreach(
    sessionId: string,
    breached?: boolean | null,
    details?: string | null,
    correlationId?: string,
  ): Promise<Readable<EmptyResult>>
  notifyNewActivity(sessionId: string, count: number): Promise<Readable<EmptyResult>>
}

/**
 * Connects as a provider and sets `Microsoft.CIFramework`. Calls made before the connection is open wait for it.
 * @param url the hub's address, or an existing provider
 * @returns the provider, once connected
 */
export function install(url: string | URL | Provider, options?: ProviderOptions): Promise<Provider>

declare global {
  var Microsoft: { CIFramework: CIFramework }
}

export {}
