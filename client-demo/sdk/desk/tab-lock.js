// Several tabs of one agent are one desk. A task that only one of them should do, such as ringing, belongs to the tab
// that holds the task's lock. When that tab ends in any way, the browser gives the lock to the next.

/** The locks that the tabs of one agent share. */
export class TabLocks {
  #name
  #channel
  /** @type {(() => void)[]} */ #listeners = []
  #letGo = () => {}
  #left = false

  constructor(name) {
    this.#name = name
    this.#channel = globalThis.BroadcastChannel && new BroadcastChannel(`deskbell ${name}`)
    if (this.#channel) this.#channel.onmessage = () => this.#tell()
    document.addEventListener('visibilitychange', this.#show)
    this.#show()
  }

  part(what, changed) {
    return new Part(`deskbell ${this.#name} ${what}`, changed)
  }

  /** Whether a tab has that task now. */
  async isPlayed(what) {
    return (await held()).includes(`deskbell ${this.#name} ${what}`)
  }

  /** Whether any of the tabs is visible. */
  async anyVisible() {
    return document.visibilityState === 'visible' || this.isPlayed('visible')
  }

  /** The desk is closed: this tab no longer takes part. */
  leave() {
    this.#left = true
    document.removeEventListener('visibilitychange', this.#show)
    this.#listeners = []
    this.#show()
    this.#channel?.close()
  }

  onVisible(listener) {
    this.#listeners.push(listener)
  }

  /** A visible tab holds a shared lock, so a tab that has crashed does not count as visible. */
  #show = async () => {
    this.#letGo()
    if (this.#left) return
    if (document.visibilityState === 'visible' && navigator.locks) {
      const end = new Promise((done) => {
        this.#letGo = () => done(undefined)
      })
      await new Promise((granted) => {
        navigator.locks
          .request(`deskbell ${this.#name} visible`, { mode: 'shared' }, () => (granted(undefined), end))
          .catch(granted)
      })
      // The desk may have closed meanwhile, and its channel with it.
      if (this.#left) return
    }
    this.#channel?.postMessage('look')
    this.#tell()
  }

  #tell() {
    for (const listener of this.#listeners) listener()
  }
}

class Part {
  #name
  #changed
  #letGo
  holds = false

  constructor(name, changed) {
    this.#name = name
    this.#changed = changed
  }

  want(wanted) {
    if (wanted === Boolean(this.#letGo)) return
    if (!wanted) return this.#letGo()
    const abort = new AbortController()
    let end
    const over = new Promise((done) => {
      end = done
    })
    this.#letGo = () => {
      this.#letGo = undefined
      abort.abort()
      end()
      this.#set(false)
    }
    // Without locks (a page served over plain http) every tab acts as if it were the only one.
    if (!navigator.locks) return this.#set(true)
    const mine = this.#letGo
    navigator.locks
      .request(this.#name, { signal: abort.signal }, () => {
        if (this.#letGo !== mine) return undefined
        this.#set(true)
        return over
      })
      .catch(() => {})
  }

  #set(holds) {
    if (holds === this.holds) return
    this.holds = holds
    this.#changed(holds)
  }
}

async function held() {
  const { held } = (await navigator.locks?.query()) ?? {}
  return (held ?? []).map(({ name }) => name)
}
