// The channel of each session, which the hub does not repeat: kept in the tab's storage, by session id, for a reload.

const MAX = 500
const KEY = 'deskbell.icons'

export class SessionIcons {
  /** @type {Map<string, string>} by session id */ #icons = stored()

  of(sessionId) {
    return this.#icons.get(sessionId)
  }

  /** A notification that is on the desk may become a session. */
  keep({ sessionId, icon = '' }) {
    if (this.#icons.get(sessionId) === icon) return
    this.#icons.delete(sessionId)
    this.#icons.set(sessionId, icon)
    for (const oldest of this.#icons.keys()) {
      if (this.#icons.size <= MAX) break
      this.#icons.delete(oldest)
    }
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...this.#icons]))
    } catch {
      // The browser may refuse to store anything; then a reload shows plain pictures.
    }
  }
}

/** Anything may be in the storage: only values of the right form are used. @returns {Map<string, string>} */
function stored() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? '[]')
    const isPair = (one) => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === 'string')
    return new Map(Array.isArray(found) ? found.filter(isPair).slice(-MAX) : [])
  } catch {
    return new Map()
  }
}
