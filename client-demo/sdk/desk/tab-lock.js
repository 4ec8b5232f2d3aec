// Several tabs of one agent are one desk. What only one of them should do is a part, and a part is played by one tab at
// a time: whoever holds its lock. When that tab goes, however it goes, the browser gives the lock to the next.

/** What the tabs of that agent share. */
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

  /** Whether somebody plays that part now. */
  async isPlayed(what) {
    return (await held()).includes(`deskbell ${this.#name} ${what}`)
  }

  /** Whether any of the tabs shows. */
  async anyVisible() {
    return document.visibilityState === 'visible' || this.isPlayed('visible')
  }

  /** The desk is closed for good: this tab is none of them any longer. */
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

  /** A tab that shows holds a lock that several can hold: a tab that died in between cannot be mistaken for one. */
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
    // Without locks (a page that came by plain http) every tab is the only one that it knows of.
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
