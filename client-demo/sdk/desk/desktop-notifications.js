// Desktop notifications for a desk that nobody looks at just now, with Accept and Reject on them.

/** Relative to this module, because the hub may be served below a path. */
const WORKER = new URL('../../desk-worker.js', import.meta.url).href
const SCOPE = new URL('../../desk', import.meta.url).href
/** A change from one tab of the desk to another is no leaving. */
const LEFT_MS = 300
/** A browser that does not answer is not waited for. */
const STUCK_MS = 3_000

export class DesktopNotifications {
  #tabs
  #part
  #desk
  #ringing
  /** @type {ServiceWorkerRegistration | undefined} */ #registration
  /** @type {Set<string>} shown by this tab already: who waves one away does not get it again */ #shown = new Set()
  #held = false
  #busy = false
  #again = false
  /** Why there are none, where that is not the agent's choice. */ fault = ''

  /**
   * @param {{ tabs: import('./tab-lock.js').Tabs, desk: string, ringing: () => import('../deskbell.js').Notification[],
   *   answer: (action: string, notificationId: string) => void, changed: () => void }} options `desk` is the same in
   * all
   *   tabs of the agent
   */
  constructor({ tabs, desk, ringing, answer, changed }) {
    this.#tabs = tabs
    this.#desk = desk
    this.#ringing = ringing
    this.changed = changed
    this.#part = tabs.part('toasts', () => this.show())
    this.#part.want(true)
    tabs.onVisible(() => setTimeout(() => this.show(), LEFT_MS))
    this.#begin()
    navigator.serviceWorker?.addEventListener('message', ({ data }) => {
      // All pages hear it; the one that showed it answers.
      if (data?.type !== 'deskbell.toast' || data.desk !== desk || !this.#part.holds) return
      answer(data.action, data.notificationId)
    })
    navigator.serviceWorker?.startMessages()
  }

  /** @returns {'granted' | 'default' | 'denied' | 'none'} */
  get permission() {
    return globalThis.Notification && navigator.serviceWorker ? Notification.permission : 'none'
  }

  async ask() {
    await Notification.requestPermission()
    this.changed()
    this.show()
  }

  /** The desk is closed for good: what it showed goes, and another tab may show. */
  async leave() {
    this.#ringing = () => []
    await this.show()
    this.#part.want(false)
  }

  /** Brings the desktop in line with the desk: one look at a time, and one more if something has changed meanwhile. */
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

  async #begin() {
    if (!navigator.serviceWorker) return
    try {
      await navigator.serviceWorker.register(WORKER, { scope: SCOPE })
      this.#registration = await navigator.serviceWorker.ready
      this.show()
    } catch (error) {
      this.#failed(error)
    }
    const watched = await navigator.permissions?.query({ name: 'notifications' }).catch(() => undefined)
    watched?.addEventListener('change', () => {
      this.changed()
      this.show()
    })
  }

  async #reconcile() {
    if (!this.#part.holds) {
      this.#held = false
      this.#shown.clear()
      return
    }
    if (!this.#registration || this.permission !== 'granted') return
    // Who gets the part takes over what the last one left.
    const takesOver = !this.#held
    this.#held = true
    const seen = await this.#tabs.anyVisible()
    const wanted = seen ? [] : this.#ringing()
    const ids = new Set(wanted.map((one) => one.notificationId))
    // To ask the browser what it shows is no small matter (while it shows one, the answer lacks it): only where needed.
    if (takesOver || [...this.#shown].some((id) => !ids.has(id))) {
      for (const toast of await this.#registration.getNotifications()) {
        if (toast.data?.desk !== this.#desk) continue
        if (ids.has(toast.tag)) this.#shown.add(toast.tag)
        else toast.close()
      }
    }
    for (const id of this.#shown) if (!ids.has(id)) this.#shown.delete(id)
    for (const one of wanted) if (!this.#shown.has(one.notificationId)) await this.#toast(one)
  }

  async #toast({ notificationId, title, fields, buttons }) {
    this.#shown.add(notificationId)
    const url = location.href
    await this.#registration?.showNotification(
      title,
      /** @type {any} */ ({
        tag: notificationId,
        body: fields.map(({ label, value }) => `${label}: ${value}`).join('\n'),
        requireInteraction: true,
        data: { desk: this.#desk, url },
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
