// One notification on the desk: who, what, over which channel, how long yet, and the two answers.

import { clock, element, setText } from './dom.js'
import { channelOf, picture } from './icons.js'

const URGENT_MS = 10_000
/** A call that is answered at once needs no words about being sent. */
const SENDING_MS = 400
const REASONS = ['On another conversation', 'On a break', 'Not my field']

/**
 * @typedef {object} Hands what a card needs of its desk
 * @property {(notification: any) => number} remainingMs
 * @property {() => boolean} connected
 * @property {(card: Card, action: 'accept' | 'reject', reason?: string) => Promise<void>} answer
 * @property {(notificationId: string, title: string) => void} urgent told once, when little time is left
 */

let number = 0

export class Card {
  #notification
  #hands
  #began = 0
  #told = false
  /** @type {'live' | 'sent' | 'over'} */ state = 'live'
  /** When it was over, by performance.now(). */ overAt = 0

  /** @param {any} notification @param {Hands} hands */
  constructor(notification, hands) {
    this.#notification = notification
    this.#hands = hands
    const { title, icon, fields, buttons, providerId, showTimeout, timeoutMs } = notification
    const id = `card-${++number}`
    this.clock = element('span', { class: 'clock' })
    this.bar = element('progress', { max: timeoutMs, 'aria-label': 'Time left' })
    this.reason = element('input', {
      type: 'text',
      maxlength: 256,
      placeholder: 'Reason (optional)',
      'aria-label': 'Reason for a reject',
      autocomplete: 'off',
      list: `${id}-reasons`,
      keydown: (event) => this.#key(event),
    })
    const button = (action, label) =>
      element(
        'button',
        { type: 'button', class: action, 'aria-describedby': `${id}-title`, click: () => this.answer(action) },
        label,
      )
    this.accept = button('accept', buttons.accept)
    this.reject = button('reject', buttons.reject)
    this.note = element('p', { class: 'note' })
    this.ending = element('p', { class: 'ending', hidden: true })
    this.node = element(
      'div',
      { class: 'card', role: 'article', 'aria-label': title, tabindex: -1 },
      element(
        'header',
        {},
        element('span', { class: 'channel' }, picture(icon)),
        element(
          'div',
          { class: 'who' },
          element('h4', { id: `${id}-title`, title }, title),
          element(
            'p',
            { class: 'small' },
            [channelOf(icon), providerId && `from ${providerId}`].filter(Boolean).join(' · '),
          ),
        ),
        showTimeout && this.clock,
      ),
      showTimeout && this.bar,
      fields.length > 0 &&
        element(
          'dl',
          {},
          ...fields.flatMap(({ label, value }) => [element('dt', {}, label), element('dd', {}, value || '\u2013')]),
        ),
      element(
        'div',
        { class: 'foot' },
        element(
          'div',
          { class: 'answers' },
          this.accept,
          this.reject,
          this.reason,
          element('datalist', { id: `${id}-reasons` }, ...REASONS.map((value) => element('option', { value }))),
        ),
        this.ending,
      ),
      this.note,
    )
    this.tick()
  }

  get id() {
    return this.#notification.notificationId
  }

  get title() {
    return this.#notification.title
  }

  get icon() {
    return this.#notification.icon
  }

  /** The same notification, told again: only what remains of its time is new. */
  update(notification) {
    this.#notification = notification
  }

  /** @param {'accept' | 'reject'} action */
  async answer(action) {
    if (this.state !== 'live') return
    this.#setSent(action)
    try {
      await this.#hands.answer(this, action, action === 'reject' ? this.reason.value.trim() || undefined : undefined)
    } catch {
      // The desk has said what is wrong; here it can be tried again.
      if (this.state === 'sent') this.#setLive()
    }
  }

  /** It is settled: says how, in its own place. @param {string} text @param {'good' | 'gone'} mark */
  end(text, mark) {
    this.state = 'over'
    this.overAt = performance.now()
    // Before the button goes: a focus that falls to the page is lost.
    if (this.node.contains(document.activeElement)) this.node.focus()
    this.node.setAttribute('role', 'group')
    this.retell(text, mark)
    this.node.classList.add('over')
    this.node.classList.remove('urgent')
    for (const control of this.node.querySelectorAll('button, input')) control.disabled = true
    this.ending.hidden = false
    setText(this.note, '')
  }

  /** @param {string} text @param {'good' | 'gone'} mark */
  retell(text, mark) {
    this.node.setAttribute('aria-label', `${this.title}: ${text}`)
    this.ending.dataset.mark = mark
    this.ending.replaceChildren(picture(mark), element('span', {}, text))
  }

  tick() {
    if (this.state === 'over') return
    const left = this.#hands.remainingMs(this.#notification)
    const urgent = left < URGENT_MS
    this.bar.value = left
    setText(this.clock, clock(left))
    this.node.classList.toggle('urgent', urgent && this.state === 'live')
    if (urgent && !this.#told && this.state === 'live' && this.#notification.showTimeout) {
      this.#told = true
      this.#hands.urgent(this.id, this.title)
    }
    if (this.state === 'sent' && performance.now() - this.#began > SENDING_MS) {
      setText(
        this.note,
        this.#hands.connected() ? 'Sending your answer …' : 'Your answer is sent once the hub is back.',
      )
    } else if (left === 0 && this.state === 'live') {
      setText(
        this.note,
        this.#hands.connected() ? 'Time has run out.' : 'Time has run out; how it ended is not known here yet.',
      )
    }
  }

  #setSent(action) {
    this.state = 'sent'
    this.#began = performance.now()
    this.node.dataset.sent = action
    // Not disabled: that would take the focus away.
    for (const control of [this.accept, this.reject]) control.setAttribute('aria-disabled', 'true')
    this.reason.readOnly = true
  }

  #setLive() {
    this.state = 'live'
    delete this.node.dataset.sent
    for (const control of [this.accept, this.reject]) control.removeAttribute('aria-disabled')
    this.reason.readOnly = false
    setText(this.note, '')
  }

  #key(event) {
    if (event.isComposing) return
    if (event.key !== 'Enter' && event.key !== 'Escape') return
    if (event.key === 'Enter') this.answer('reject')
    this.node.focus()
    event.preventDefault()
    event.stopPropagation()
  }
}
