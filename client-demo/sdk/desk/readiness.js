// The line that warns of anything that could make this agent miss a call, and the list of what to do about it.

import { element, reconcile, setText } from './dom.js'
import { picture } from './icons.js'
import { onPreferences } from './preferences.js'
import { holdWhilePressed } from './click-guard.js'

/** People set a clock by hand more exactly than this. */
const SKEW_MS = 5_000
const SLOW_MS = 1_500
const BREAKS = 3
/** A token that was pasted cannot be renewed by the page: the agent learns of its end this long before. */
const EXPIRY_MS = 10 * 60_000

/**
 * @typedef {object} Item
 * @property {string} key of the texts: what is wrong, and with `.fix` and `.act` what to do
 * @property {Record<string, string | number>} [values]
 * @property {string} [fix] the key of the fix, if it is another
 * @property {() => void} [act] fixes it
 */

export class Readiness {
  #parts
  #texts
  #said = ''
  #expiryShown = false
  #held
  /** @type {Item | undefined} the worst that a button fixes */ first

  /**
   * @param {{
   *   health: import('./connection-health.js').ConnectionHealth,
   *   sound: import('./sound-control.js').SoundControl | undefined,
   *   toasts: () => import('./desktop-notifications.js').DesktopNotifications | undefined,
   *   presence: () => string | undefined,
   *   expiresAt: () => number,
   *   available: () => void,
   *   announcer: import('./announcer.js').Announcer,
   *   texts: import('./texts.js').Texts,
   *   signal: AbortSignal,
   * }} parts
   */
  constructor(parts) {
    this.#parts = parts
    const { texts, signal } = parts
    this.#texts = texts
    this.words = element('span', { class: 'words' })
    this.fix = element('button', { type: 'button', class: 'quiet', click: () => this.first?.act?.() })
    this.list = element('ul', { class: 'over-desk', 'aria-label': texts.text('ready.list') })
    // The list covers the desk, so nothing moves when it changes.
    this.details = element('details', {}, element('summary', {}, texts.text('ready.fix')), this.list)
    this.node = element(
      'div',
      { class: 'preflight' },
      element('span', { class: 'lamp' }),
      this.words,
      this.fix,
      this.details,
    )
    document.addEventListener(
      'click',
      (event) => {
        if (!event.composedPath().includes(this.details)) this.details.open = false
      },
      { signal },
    )
    this.details.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.details.open) return
      this.details.open = false
      this.details.querySelector('summary').focus()
    })
    // The press itself allows the sound, which makes the line shorter.
    this.#held = holdWhilePressed(this.node, () => this.show(), signal)
    onPreferences(() => this.show(), signal)
    this.show()
  }

  show() {
    if (this.#held()) return
    const { health, announcer } = this.#parts
    const texts = this.#texts
    // Without a connection the banner is in this place.
    this.node.hidden = !health.known || !health.fresh
    if (this.node.hidden) return
    this.#expiryShown = this.#expiresSoon
    const items = [...this.#items()]
    const list = items.map(({ key, values }) => texts.text(key, values)).join(', ')
    this.node.dataset.state = items.length ? 'warn' : 'good'
    this.first = items.find(({ act }) => act)
    this.fix.hidden = !this.first
    this.details.hidden = !items.length
    setText(this.fix, this.first ? texts.text(`${this.first.key}.act`) : '')
    const warning = list ? texts.text('ready.warning', { list }) : texts.text('ready.all')
    setText(this.words, warning)
    this.words.title = warning
    reconcile(
      this.list,
      items,
      ({ key }) => key,
      () => this.#row(),
    )
    if (list && list !== this.#said) announcer.say(warning, false, 'readiness')
    this.#said = list
  }

  /** Time passes: the sign-in may end soon. */
  tick() {
    if (this.#expiresSoon !== this.#expiryShown) this.show()
  }

  get #expiresSoon() {
    return this.#parts.expiresAt() - this.#parts.health.now() < EXPIRY_MS
  }

  /** @returns {Generator<Item>} the worst first */
  *#items() {
    const { health, sound, presence, available } = this.#parts
    if (this.#expiresSoon)
      yield { key: 'ready.expires', values: { time: this.#texts.timeOfDay(this.#parts.expiresAt()) } }
    if (presence() === 'away') yield { key: 'ready.away', act: available }
    if (sound?.muted) yield { key: 'ready.muted', act: () => sound.try() }
    else if (sound?.tone.state === 'none') yield { key: 'ready.noSound' }
    else if (sound?.tone.state === 'blocked' && !sound.elsewhere) yield { key: 'ready.sound', act: () => sound.try() }
    yield* this.#notifications()
    if (Math.abs(health.skewMs) > SKEW_MS)
      yield {
        key: health.skewMs > 0 ? 'ready.clockBehind' : 'ready.clockAhead',
        values: { time: this.#texts.span(health.skewMs) },
        fix: 'ready.clock.fix',
      }
    if (health.breaks >= BREAKS) yield { key: 'ready.breaks', values: { count: health.breaks } }
    else if (health.roundTripMs > SLOW_MS)
      yield { key: 'ready.slow', values: { time: this.#texts.seconds(health.roundTripMs) } }
  }

  /** @returns {Generator<Item>} */
  *#notifications() {
    const toasts = this.#parts.toasts()
    if (!toasts) return
    if (!globalThis.isSecureContext) yield { key: 'ready.http' }
    else if (toasts.permission === 'none') yield { key: 'ready.noToasts' }
    else if (toasts.permission === 'default') yield { key: 'ready.toasts', act: () => void toasts.ask() }
    else if (toasts.permission === 'denied') yield { key: 'ready.blocked' }
    else if (toasts.fault) yield { key: 'ready.worker', values: { fault: toasts.fault } }
  }

  #row() {
    const text = element('span')
    const button = element('button', { type: 'button', class: 'quiet', click: () => row.item.act?.() })
    const row = element('li', {}, picture('warn'), text, button)
    row.update = (item) => {
      row.item = item
      const texts = this.#texts
      const what = texts.text(item.key, item.values)
      const fix = texts.text(item.fix ?? `${item.key}.fix`, item.values)
      setText(text, texts.text('ready.item', { what: what[0].toUpperCase() + what.slice(1), fix }))
      button.hidden = !item.act
      setText(button, item.act ? texts.text(`${item.key}.act`) : '')
    }
    return row
  }
}
