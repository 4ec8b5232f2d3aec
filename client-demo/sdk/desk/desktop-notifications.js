// Desktop notifications while all tabs of the agent are in the background. With a service worker they have Accept and
// Reject; without one, as in a page of another site, a click brings the page to the front.

/** Changing from one tab of the desk to another is not leaving it. */
const LEFT_MS = 300
/** A browser that does not answer is not waited for. */
const STUCK_MS = 3_000

export class DesktopNotifications {
  #tabs
  #part
  #desk
  #worker
  #ringing
  #answer
  /** @type {ServiceWorkerRegistration | undefined} */ #registration
  /** @type {Set<string>} shown by this tab already: one that the agent dismissed does not come back */ #shown =
    new Set()
  /** @type {Map<string, Notification>} those that no worker shows */ #plain = new Map()
  #held = false
  #busy = false
  #again = false
  /** Why there are none, if that is not the agent's choice. */ fault = ''

  /**
   * @param {{ tabs: import('./tab-lock.js').TabLocks, desk: string, worker?: string, ringing: () =>
   *   import('../deskbell.js').Notification[], answer: (action: string, notificationId: string) => void, changed: () =>
   *   void, signal: AbortSignal }} options `desk` is the same in all tabs of the agent
   */
  constructor({ tabs, desk, worker, ringing, answer, changed, signal }) {
    this.#tabs = tabs
    this.#desk = desk
    this.#worker = worker
    this.#ringing = ringing
    this.#answer = answer
    this.changed = changed
    this.#part = tabs.part('toasts', () => this.show())
    this.#part.want(true)
    tabs.onVisible(() => setTimeout(() => this.show(), LEFT_MS))
    this.#begin(signal)
    if (!worker) return
    navigator.serviceWorker?.addEventListener(
      'message',
      ({ data }) => {
        // All pages get it; the one that showed it answers.
        if (data?.type !== 'deskbell.toast' || data.desk !== desk || !this.#part.holds) return
        answer(data.action, data.notificationId)
      },
      { signal },
    )
    navigator.serviceWorker?.startMessages()
  }

  /** @returns {'granted' | 'default' | 'denied' | 'none'} */
  get permission() {
    const possible = globalThis.Notification && (!this.#worker || navigator.serviceWorker)
    return possible ? Notification.permission : 'none'
  }

  async ask() {
    await Notification.requestPermission()
    this.changed()
    this.show()
  }

  /** The desk is closed for good: its notifications go, and another tab may show them. */
  async leave() {
    this.#ringing = () => []
    await this.show()
    this.#part.want(false)
  }

  /** Brings the desktop in line with the desk: one pass at a time, and one more if something changed meanwhile. */
  async show() {
    this.#again = true
    if (this.#busy) return
    this.#busy = true
    while (this.#again) {
      this.#again = false
      await Promise.race([
        this.#reconcile().catch((error) => this.#failed(error)),
        new Promise((done) => setTimeout(done, STUCK_MS)),
      ])
    }
    this.#busy = false
  }

  async #begin(signal) {
    try {
      if (this.#worker && navigator.serviceWorker) {
        await navigator.serviceWorker.register(this.#worker, { scope: location.pathname })
        this.#registration = await navigator.serviceWorker.ready
      }
      this.show()
    } catch (error) {
      this.#failed(error)
    }
    const watched = await navigator.permissions?.query({ name: 'notifications' }).catch(() => undefined)
    const changed = () => {
      this.changed()
      this.show()
    }
    watched?.addEventListener('change', changed, { signal })
  }

  async #reconcile() {
    if (!this.#part.holds) {
      this.#held = false
      this.#shown.clear()
      return
    }
    if (this.permission !== 'granted' || (this.#worker && !this.#registration)) return
    // The tab that takes over clears up after the last one.
    const takesOver = !this.#held
    this.#held = true
    const seen = await this.#tabs.anyVisible()
    const wanted = seen ? [] : this.#ringing()
    const ids = new Set(wanted.map((one) => one.notificationId))
    // Only if needed: while the browser brings one up, its answer lacks that one.
    if (takesOver || [...this.#shown].some((id) => !ids.has(id))) await this.#close(ids)
    for (const id of this.#shown) if (!ids.has(id)) this.#shown.delete(id)
    for (const one of wanted) if (!this.#shown.has(one.notificationId)) await this.#toast(one)
  }

  async #close(wanted) {
    for (const [id, toast] of this.#plain) {
      if (wanted.has(id)) continue
      toast.close()
      this.#plain.delete(id)
    }
    for (const toast of (await this.#registration?.getNotifications()) ?? []) {
      if (toast.data?.desk !== this.#desk) continue
      if (wanted.has(toast.tag)) this.#shown.add(toast.tag)
      else toast.close()
    }
  }

  async #toast({ notificationId, title, fields, buttons }) {
    this.#shown.add(notificationId)
    const options = {
      tag: notificationId,
      body: fields.map(({ label, value }) => `${label}: ${value}`).join('\n'),
      requireInteraction: true,
    }
    if (!this.#registration) {
      const toast = new Notification(title, options)
      this.#plain.set(notificationId, toast)
      toast.onclick = () => {
        focus()
        this.#answer('', notificationId)
      }
      return
    }
    await this.#registration.showNotification(
      title,
      /** @type {any} */ ({
        ...options,
        data: { desk: this.#desk, url: location.href },
        actions: [
          { action: 'accept', title: buttons.accept },
          { action: 'reject', title: buttons.reject },
        ],
      }),
    )
  }

  #failed(error) {
    this.fault = String(error?.message ?? error)
    this.changed()
  }
}
