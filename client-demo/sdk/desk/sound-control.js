// Who rings, what, and how loud; of several tabs of an agent one rings. The controls are behind one button.

import { element, setText } from './dom.js'
import { picture } from './icons.js'
import { onPreferences, prefer, preferences } from './preferences.js'
import { Ringtone } from './ringtone.js'

/** Unmuting a ring whose volume is 0 sets it to this. */
const AUDIBLE = 0.6

export class SoundControl {
  #part
  #tabs
  #texts
  /** @type {string} the sound that is to ring; empty: none */ #wanted = ''
  #left = false
  #changed
  /** Whether another tab of the agent rings. */ elsewhere = false

  /**
   * @param {{ tabs: import('./tab-lock.js').TabLocks, texts: import('./texts.js').Texts, changed: () => void,
   *   signal: AbortSignal }} options `changed` is called when anything of it is new
   */
  constructor({ tabs, texts, changed, signal }) {
    this.#changed = changed
    this.#tabs = tabs
    this.#texts = texts
    this.tone = new Ringtone(() => this.#check(), signal)
    this.#part = tabs.part('ring', () => this.#check())
    this.mute = element(
      'button',
      { type: 'button', class: 'quiet mute', click: () => this.toggle() },
      picture('muted'),
      texts.text('settings.mute'),
    )
    this.volume = element('input', {
      type: 'range',
      min: 0,
      max: 100,
      step: 5,
      'aria-label': texts.text('settings.volume'),
      class: 'volume',
      input: () => prefer({ volume: this.volume.valueAsNumber / 100, muted: this.volume.valueAsNumber === 0 }),
      change: () => this.tone.once('phone'),
    })
    const test = element(
      'button',
      { type: 'button', class: 'quiet', click: () => this.try() },
      texts.text('settings.test'),
    )
    this.words = element('p', { class: 'small' })
    this.node = element('div', { class: 'sound' }, this.words, this.mute, this.volume, test)
    onPreferences(() => this.#check(), signal)
    this.#check()
  }

  get muted() {
    return preferences().muted || preferences().volume === 0
  }

  toggle() {
    prefer({ muted: !this.muted, volume: preferences().volume || AUDIBLE })
  }

  /** Plays the ring once, also if it is muted: whoever asks for that wants to hear something. */
  try() {
    if (this.muted) this.toggle()
    this.tone.once('phone')
  }

  ring(sound) {
    this.#wanted = sound
    this.#ringOrNot()
  }

  /** A session of this agent is in breach. */
  breach() {
    if (this.#part.holds) this.tone.once('breach')
  }

  /** The desk is closed for good: silent, and another tab may ring. */
  leave() {
    this.#left = true
    this.#check()
  }

  /** Finds out whether another tab rings. */
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
    if (this.#wanted && this.#wanted !== 'none' && this.#part.holds) this.tone.ring(this.#wanted)
    else this.tone.stop()
  }

  #show() {
    const { muted } = this
    this.mute.setAttribute('aria-pressed', String(muted))
    const percent = Math.round(preferences().volume * 100)
    this.volume.value = String(percent)
    this.volume.setAttribute(
      'aria-valuetext',
      this.#texts.text(muted ? 'settings.volumeMuted' : 'settings.volumeOf', { count: percent }),
    )
    setText(this.words, this.#inWords(muted))
  }

  #inWords(muted) {
    if (muted) return this.#texts.text('settings.muted')
    if (this.elsewhere) return this.#texts.text('settings.elsewhere')
    return this.#texts.text(this.tone.state === 'ready' ? 'settings.here' : 'settings.silent')
  }
}
