// Who rings, how loud, and what it looks like: of several tabs of an agent one.

import { element, setText } from './dom.js'
import { picture } from './icons.js'
import { onPreferences, prefer, preferences } from './preferences.js'
import { Ringtone } from './ringtone.js'

/** What a ring that was turned down to nothing is turned up to. */
const AUDIBLE = 0.6

export class SoundControl {
  #part
  #tabs
  #wanted = false
  #left = false
  #changed
  /** Whether another tab of the agent rings. */ elsewhere = false

  /** @param {import('./tab-lock.js').Tabs} tabs @param {() => void} changed told when anything of it is new */
  constructor(tabs, changed) {
    this.#changed = changed
    this.#tabs = tabs
    this.tone = new Ringtone(() => this.#check())
    this.#part = tabs.part('ring', () => this.#check())
    this.mute = element('button', { type: 'button', class: 'mute', 'aria-label': 'Mute', click: () => this.toggle() })
    this.volume = element('input', {
      type: 'range',
      min: 0,
      max: 100,
      step: 5,
      'aria-label': 'Volume',
      class: 'volume',
      input: () => prefer({ volume: this.volume.valueAsNumber / 100, muted: this.volume.valueAsNumber === 0 }),
      change: () => this.tone.once(),
    })
    this.test = element('button', { type: 'button', class: 'quiet', click: () => this.try() }, 'Test ring')
    this.words = element('span', { class: 'small' })
    this.node = element(
      'div',
      { class: 'sound', role: 'group', 'aria-label': 'Sound' },
      this.words,
      this.mute,
      this.volume,
      this.test,
    )
    onPreferences(() => this.#check())
    this.#check()
  }

  get muted() {
    return preferences().muted || preferences().volume === 0
  }

  toggle() {
    prefer({ muted: !this.muted, volume: preferences().volume || AUDIBLE })
  }

  /** Lets it be heard, also where it is muted: whoever presses that wants to hear something. */
  try() {
    if (this.muted) this.toggle()
    this.tone.once()
  }

  /** @param {boolean} wanted whether anything on the desk waits for an answer */
  ring(wanted) {
    this.#wanted = wanted
    this.#ringOrNot()
  }

  /** The desk is closed for good: silent, and another tab may ring. */
  leave() {
    this.#left = true
    this.#check()
  }

  /** Looks who rings. */
  async look() {
    const elsewhere = !this.#part.holds && (await this.#tabs.isPlayed('ring'))
    if (elsewhere === this.elsewhere) return
    this.elsewhere = elsewhere
    this.#show()
    this.#changed()
  }

  #check() {
    this.tone.volume = preferences().volume
    // A tab that would not be heard leaves it to one that is.
    this.#part.want(!this.#left && this.tone.state === 'ready' && !this.muted)
    this.#ringOrNot()
    this.look()
    this.#show()
    this.#changed()
  }

  #ringOrNot() {
    if (this.#wanted && this.#part.holds) this.tone.start()
    else this.tone.stop()
    this.node.classList.toggle('ringing', this.tone.rings)
  }

  #show() {
    const { muted } = this
    if (this.mute.getAttribute('aria-pressed') !== String(muted)) {
      this.mute.setAttribute('aria-pressed', String(muted))
      this.mute.replaceChildren(picture(muted ? 'muted' : 'sound'))
    }
    this.volume.value = String(Math.round(preferences().volume * 100))
    this.volume.setAttribute('aria-valuetext', muted ? 'muted' : `${this.volume.value} %`)
    setText(this.words, this.#inWords(muted))
  }

  #inWords(muted) {
    if (muted) return 'muted'
    if (this.elsewhere) return 'another tab rings'
    return this.tone.state === 'ready' ? 'this tab rings' : 'silent'
  }
}
