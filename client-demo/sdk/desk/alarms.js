// Whatever calls the agent from outside the page: the ring, desktop notifications, and the line that warns if either
// would not reach the agent. Loaded after the desk is drawn; a silent desk never loads it.

import { DesktopNotifications } from './desktop-notifications.js'
import { pictureName } from './icons.js'
import { Readiness } from './readiness.js'
import { soundOf } from './ringtone.js'
import { SoundControl } from './sound-control.js'
import { TabLocks } from './tab-lock.js'

export { ALARMS } from './styles/alarms.js'

export class Alarms {
  #model
  #preferredSound
  #changed
  #tabs
  /** @type {DesktopNotifications | undefined} */ #toasts
  /** @type {Readiness | undefined} */ #readiness

  /**
   * @param {{
   *   model: import('./model.js').DeskModel,
   *   health: import('./connection-health.js').ConnectionHealth,
   *   texts: import('./texts.js').Texts,
   *   announcer: import('./announcer.js').Announcer,
   *   who: string,
   *   worker?: string,
   *   preferredSound: () => string,
   *   signInEndsAt: () => number,
   *   answer: (action: string, notificationId: string) => void,
   *   changed: () => void,
   *   signal: AbortSignal,
   * }} desk `who` is the same in all tabs of the agent; `changed` is called when the state of the sound may be new
   */
  constructor({ model, health, texts, announcer, who, worker, preferredSound, signInEndsAt, answer, changed, signal }) {
    this.#model = model
    this.#preferredSound = preferredSound
    this.#changed = changed
    const tabs = (this.#tabs = new TabLocks(who))
    const show = () => {
      changed()
      this.#readiness?.show()
    }
    this.sound = new SoundControl({ tabs, texts, changed: show, signal })
    this.#toasts = new DesktopNotifications({
      tabs,
      desk: who,
      worker,
      ringing: () => model.unanswered.map(({ notification }) => notification),
      answer,
      changed: show,
      signal,
    })
    this.#readiness = new Readiness({
      health,
      sound: this.sound,
      toasts: () => this.#toasts,
      presence: () => model.presence,
      expiresAt: signInEndsAt,
      available: () => void model.setPresence('available'),
      announcer,
      texts,
      signal,
    })
    model.addEventListener('breach', () => this.sound.breach(), { signal })
  }

  /** The line of warnings. */
  get line() {
    return this.#readiness?.node
  }

  /** Brings ring, desktop notifications and warnings in line with the desk. */
  show() {
    const [first] = this.#model.unanswered
    const sound = first ? soundOf(first.notification, this.#preferredSound(), pictureName(first.notification.icon)) : ''
    this.sound.ring(sound)
    this.#changed()
    this.#toasts?.show()
    this.#readiness?.show()
  }

  tick() {
    this.sound.look()
    this.#readiness?.tick()
  }

  /** The desk is closed for good, or drawn anew: another one may take its place. */
  async leave() {
    this.sound.leave()
    await this.#toasts?.leave()
    this.#tabs.leave()
  }
}
