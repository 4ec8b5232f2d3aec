// What would make this agent miss a ring, and how to mend it.

import { element, reconcile, setText } from './dom.js'
import { picture } from './icons.js'
import { onPreferences } from './preferences.js'
import { holdWhilePressed } from './click-guard.js'
import { span } from './time-format.js'

/** Further off than people set a clock by hand. */
const SKEW_MS = 5_000
const SLOW_MS = 1_500
const BREAKS = 3

/**
 * @typedef {object} Item
 * @property {string} id
 * @property {string} what
 * @property {string} mend
 * @property {string} [label] of a button that mends it
 * @property {() => void} [act]
 */

export class Readiness {
  #parts
  #announcer
  #said = ''
  #held
  /** @type {Item | undefined} the worst that a button mends */ first

  /**
   * @param {{ link: import('./connection-status.js').Link, sound: import('./sound-control.js').Sound, toasts: () =>
   *   import('./desktop-notifications.js').Toasts | undefined,
   *   agent: import('../deskbell.js').Agent, available: () => void }} parts
   * @param {import('./announcer.js').Announcer} announcer
   */
  constructor(parts, announcer) {
    this.#parts = parts
    this.#announcer = announcer
    this.words = element('span', { class: 'words' })
    this.mend = element('button', { type: 'button', class: 'quiet', click: () => this.first?.act?.() })
    this.list = element('ul', { 'aria-label': 'What could make you miss a ring' })
    // The list lies over the desk: what comes and goes in it moves nothing.
    this.details = element('details', {}, element('summary', {}, 'How to mend it'), this.list)
    this.node = element(
      'div',
      { class: 'preflight' },
      element('span', { class: 'lamp' }),
      this.words,
      this.mend,
      this.details,
    )
    document.addEventListener('click', ({ target }) => {
      if (!this.details.contains(/** @type {Node} */ (target))) this.details.open = false
    })
    this.details.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.details.open) return
      this.details.open = false
      this.details.querySelector('summary').focus()
    })
    // The press itself allows the sound, by which the line gets shorter.
    this.#held = holdWhilePressed(this.node, () => this.show())
    onPreferences(() => this.show())
    this.show()
  }

  show() {
    if (this.#held()) return
    const { link } = this.#parts
    // Not connected is the first thing that is wrong, and the desk says so in this place.
    this.node.hidden = !link.known || !link.fresh
    if (this.node.hidden) return
    const items = [...this.#items()]
    const all = items.map(({ what }) => what).join(', ')
    this.node.dataset.state = items.length ? 'warn' : 'good'
    this.first = items.find(({ act }) => act)
    this.mend.hidden = !this.first
    this.details.hidden = !items.length
    setText(this.mend, this.first?.label ?? '')
    setText(this.words, all ? `You could miss a ring: ${all}.` : 'All set: a ring will be heard and seen.')
    reconcile(
      this.list,
      items,
      ({ id }) => id,
      () => this.#row(),
    )
    if (all && all !== this.#said) this.#announcer.say(`You could miss a ring: ${all}`, false, 'readiness')
    this.#said = all
  }

  /** @returns {Generator<Item>} worst first */
  *#items() {
    const { link, sound, agent } = this.#parts
    const toasts = this.#parts.toasts()
    if (agent.presence === 'away')
      yield {
        id: 'away',
        what: 'you are away',
        mend: 'New conversations go to others until you are available.',
        label: 'Be available',
        act: this.#parts.available,
      }
    if (sound.muted)
      yield {
        id: 'muted',
        what: 'the ring is muted',
        mend: 'In all tabs of this browser.',
        label: 'Unmute',
        act: () => sound.try(),
      }
    else if (sound.tone.state === 'none')
      yield {
        id: 'no sound',
        what: 'this browser makes no sound',
        mend: 'Use a current browser, and keep this page in view.',
      }
    else if (sound.tone.state === 'blocked' && !sound.elsewhere)
      yield {
        id: 'sound',
        what: 'sound is blocked',
        mend: 'The browser keeps a page silent until someone has clicked or typed in it.',
        label: 'Turn sound on',
        act: () => sound.try(),
      }
    yield* this.#notifications(toasts)
    if (Math.abs(link.skewMs) > SKEW_MS)
      yield {
        id: 'clock',
        what: `this computer\u2019s clock is ${span(link.skewMs)} ${link.skewMs > 0 ? 'behind' : 'ahead'}`,
        mend: 'Countdowns are right all the same; times of day are not. Let the system set its clock by itself.',
      }
    if (link.breaks >= BREAKS)
      yield {
        id: 'breaks',
        what: 'the connection broke several times',
        mend: `${link.breaks} times within ten minutes. A cable, or another network, may be better.`,
      }
    else if (link.roundTripMs > SLOW_MS)
      yield {
        id: 'slow',
        what: 'the connection is slow',
        mend: `The hub\u2019s answers take ${(link.roundTripMs / 1_000).toFixed(1)} s or more.`,
      }
  }

  /** @returns {Generator<Item>} */
  *#notifications(toasts) {
    if (!globalThis.isSecureContext) {
      yield {
        id: 'insecure',
        what: 'this page came by plain http',
        mend: 'Without https there are no desktop notifications, and each tab rings. Ask for an https address.',
      }
    } else if (toasts?.permission === 'none') {
      yield { id: 'no toasts', what: 'this browser has no desktop notifications', mend: 'Keep this page in view.' }
    } else if (toasts?.permission === 'default') {
      yield {
        id: 'ask',
        what: 'desktop notifications are not allowed yet',
        mend: 'With them you see a ring while you work elsewhere.',
        label: 'Allow',
        act: () => toasts.ask(),
      }
    } else if (toasts?.permission === 'denied') {
      yield {
        id: 'denied',
        what: 'desktop notifications are blocked',
        mend: 'Allow them for this site: the icon beside the address, then \u201cNotifications\u201d.',
      }
    } else if (toasts?.fault) {
      yield {
        id: 'worker',
        what: 'desktop notifications do not work',
        mend: `The browser says: ${toasts.fault}. Reload the page.`,
      }
    }
  }

  /** @param {Item} item */
  #row() {
    const text = element('span')
    const button = element('button', { type: 'button', class: 'quiet', click: () => row.item.act?.() })
    const row = element('li', {}, picture('warn'), text, button)
    row.update = (current) => {
      row.item = current
      setText(text, `${current.what[0].toUpperCase()}${current.what.slice(1)}. ${current.mend}`)
      button.hidden = !current.act
      setText(button, current.label ?? '')
    }
    return row
  }
}
