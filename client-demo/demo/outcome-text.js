// Outcomes and connections in words.

const BY_REASON = {
  NotificationQueueLimitExceeded: 'refused: too many waiting',
  NotificationQueueTimeLimitExceeded: 'nobody was free in time',
  DisplayTimeout: 'nobody answered in time',
  Cancelled: 'cancelled by the caller',
}

/**
 * How a notification ended, as seen by `self`.
 * @param {import('../sdk/deskbell.js').Outcome | null} value
 * @param {string} [agentId] who settled it
 * @param {string} [self] the reader's own agent
 */
export function outcomeInWords(value, agentId, self) {
  const who = agentId && agentId === self ? 'you' : (agentId ?? 'nobody')
  if (!value) return 'passed on'
  if (value.responseReason === 'AutoAccept') return `assigned to ${who}`
  if (value.responseReason === 'AutoAcceptOnTimeout') return `assigned to ${who} when time ran out`
  if (value.actionName === 'Accept') return `taken by ${who}`
  if (value.responseReason === 'DeclinedByAgent') return agentId ? `declined by ${who}` : 'declined by all'
  return BY_REASON[value.responseReason] ?? `${value.actionName}: ${value.responseReason}`
}

/** How many agents a call reached, for its provider. */
export function reachInWords({ displayed, seen, rejected }) {
  return displayed ? `shown to ${displayed}, seen by ${seen}, rejected by ${rejected}` : 'shown to nobody'
}

/** How a client's connection is. @param {import('../sdk/deskbell.js').StateChange} connection */
export function connectionInWords({ state, reason }) {
  return {
    connecting: reason ? `trying again (${reason})` : 'connecting …',
    open: 'connected',
    waiting: `not connected (${reason})`,
    closed: `closed: ${reason}`,
  }[state]
}

/** When the next try comes; nothing if none does. @param {import('../sdk/deskbell.js').StateChange} connection */
export function nextTryInWords({ state, since, retryInMs = 0 }) {
  return state === 'waiting'
    ? `, next try in ${Math.max(1, Math.ceil((since + retryInMs - Date.now()) / 1_000))} s`
    : ''
}
