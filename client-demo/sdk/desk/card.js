// One notification on the desk: who is calling, about what, on which channel, the time left, and the two answers.

import { element, focusIn, isolated, setText } from './dom.js'
import { channelOf, picture } from './icons.js'

const URGENT_MS = 10_000
/** An answer that is confirmed sooner needs no words about being sent. */
const SENDING_MS = 400

/**
 * @typedef {object} CardDesk what a card needs of its desk
 * @property {import('./texts.js').Texts} texts
 * @property {(notification: any) => number} remainingMs
 * @property {() => boolean} connected
 * @property {(id: string, action: 'accept' | 'reject', reason?: string) => void} answer
 * @property {(title: string) => void} urgent called once, when little time is left
 */

let count = 0

export class Card {
  #notification
  #desk
  #sentAt = 0
  #warned = false
  /** @type {'live' | 'sent' | 'over'} */ state = 'live'
  /** When it was over, by performance.now(). */ overAt = 0

  constructor(notification, desk) {
    this.#notification = notification
    this.#desk = desk
    const { title, icon, fields, providerId, showTimeout, timeoutMs } = notification
    const { texts } = desk
    const id = `card-${++count}`
    this.clock = element('span', { class: 'clock' })
    this.bar = element('progress', { max: timeoutMs, 'aria-label': texts.text('card.timeLeft') })
    this.number = element('span', { class: 'number', 'aria-hidden': 'true' })
    this.accept = this.#button('accept')
    this.reject = this.#button('reject')
    this.reason = this.#reasonField(`${id}-reasons`)
    this.note = element('p', { class: 'note' })
    this.ending = element('p', { class: 'ending', hidden: true })
    const channel = channelOf(icon)
    const about = [channel && texts.text(channel), providerId && texts.text('card.from', { provider: providerId })]
    this.node = element(
      'div',
      { class: 'card', part: 'card', role: 'article', 'aria-label': title, tabindex: -1 },
      element(
        'header',
        {},
        element('span', { class: 'channel' }, picture(icon)),
        element(
          'div',
          { class: 'who' },
          element(
            'h4',
            { title, dir: 'auto', part: 'card-title' },
            ...isolated(
              title,
              fields.map(({ value }) => value),
            ),
          ),
          element('p', { class: 'small' }, about.filter(Boolean).join(' · ')),
        ),
        this.number,
        showTimeout && this.clock,
      ),
      showTimeout && this.bar,
      fields.length > 0 &&
        element(
          'dl',
          {},
          ...fields.flatMap(({ label, value }) => [
            element('dt', { dir: 'auto' }, label),
            element('dd', { dir: 'auto' }, value || '\u2013'),
          ]),
        ),
      element(
        'div',
        { class: 'foot' },
        element('div', { class: 'answers' }, this.accept, this.reject, this.reason, this.#reasons(`${id}-reasons`)),
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

  update({ notification, state }) {
    this.#notification = notification
    if (state === 'answering' && this.state === 'live') this.#setSent()
    else if (state === 'ringing' && this.state === 'sent') this.#setLive()
  }

  setNumber(place) {
    setText(this.number, place ? String(place) : '')
  }

  answer(action) {
    if (this.state !== 'live') return
    this.node.dataset.sent = action
    this.#desk.answer(this.id, action, action === 'reject' ? this.reason.value.trim() || undefined : undefined)
    if (this.state === 'live') delete this.node.dataset.sent
  }

  /** It is settled: shows how, in its own place. @param {'good' | 'gone'} mark */
  end(text, mark) {
    this.state = 'over'
    this.overAt = performance.now()
    // Before the button is disabled: otherwise the focus would fall to the page.
    if (this.node.contains(focusIn(this.node))) this.node.focus()
    this.node.setAttribute('role', 'group')
    this.retell(text, mark)
    this.node.classList.add('over')
    this.node.classList.remove('urgent')
    for (const control of this.node.querySelectorAll('button, input')) control.disabled = true
    this.ending.hidden = false
    setText(this.note, '')
  }

  retell(text, mark) {
    this.node.setAttribute('aria-label', this.#desk.texts.text('news.over', { title: this.title, outcome: text }))
    this.ending.dataset.mark = mark
    this.ending.replaceChildren(picture(mark), element('span', {}, text))
  }

  tick() {
    if (this.state === 'over') return
    const { texts } = this.#desk
    const left = this.#desk.remainingMs(this.#notification)
    const urgent = left < URGENT_MS
    this.bar.value = left
    setText(this.clock, texts.countdown(left))
    this.node.classList.toggle('urgent', urgent && this.state === 'live')
    if (urgent && !this.#warned && this.state === 'live' && this.#notification.showTimeout) {
      this.#warned = true
      this.#desk.urgent(this.title)
    }
    const connected = this.#desk.connected()
    if (this.state === 'sent' && performance.now() - this.#sentAt > SENDING_MS) {
      setText(this.note, texts.text(connected ? 'card.sending' : 'card.sentLater'))
    } else if (left === 0 && this.state === 'live') {
      setText(this.note, texts.text(connected ? 'card.timeUp' : 'card.timeUpOffline'))
    }
  }

  #button(action) {
    const label = this.#notification.buttons[action]
    const name = this.#desk.texts.text('action.answerOf', { label, title: this.#notification.title })
    return element(
      'button',
      {
        type: 'button',
        class: action,
        part: action,
        'aria-label': name,
        dir: 'auto',
        click: () => this.answer(action),
      },
      label,
    )
  }

  #reasonField(list) {
    const { texts } = this.#desk
    return element('input', {
      type: 'text',
      maxlength: 256,
      dir: 'auto',
      placeholder: texts.text('card.reason'),
      'aria-label': texts.text('card.reasonFor', { title: this.#notification.title }),
      autocomplete: 'off',
      list,
      keydown: (event) => this.#key(event),
    })
  }

  #reasons(id) {
    const reasons = ['card.reason.busy', 'card.reason.break', 'card.reason.skill']
    return element(
      'datalist',
      { id },
      ...reasons.map((key) => element('option', { value: this.#desk.texts.text(key) })),
    )
  }

  #setSent() {
    this.state = 'sent'
    this.#sentAt = performance.now()
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
