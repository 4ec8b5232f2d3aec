// The cards in their places. A card keeps its place as long as it is there; one that has ended says how, and leaves its
// place empty; the others close up only once nobody points at anything here.

import { element } from './dom.js'
import { holdWhilePressed } from './click-guard.js'
import { Card } from './card.js'

/** How long a card that ended says so, before it goes. */
const OVER_MS = 4_000
/** The same while somebody points at it. */
const OVER_POINTED_MS = 10_000
/** An empty place is closed up once the pointer has rested for so long, or is elsewhere. */
const CALM_MS = 1_500

export class CardGrid {
  #desk
  /** @type {Map<string, Card>} by notification, those over included */ #cards = new Map()
  #pointedAt = -Infinity
  #held
  /** @type {Card | undefined} the one that keys answer */ #chosen

  /**
   * @param {import('./card.js').Hands & { gone: (id: string) => void, shown: (card: Card) => void, home: () =>
   *   HTMLElement,
   *   say: (text: string) => void, guard: import('./click-guard.js').KeyGuard }} desk
   */
  constructor(desk) {
    this.#desk = desk
    this.list = element('ul', { class: 'cards', 'aria-label': 'Ringing' })
    for (const type of ['pointermove', 'pointerdown'])
      this.list.addEventListener(type, () => {
        this.#pointedAt = performance.now()
      })
    this.list.addEventListener('pointerleave', () => {
      this.#pointedAt = -Infinity
    })
    this.#held = holdWhilePressed(this.list, () => {})
    this.list.addEventListener('focusin', ({ target }) => {
      const card = this.#live.find(({ node }) => node.contains(/** @type {Node} */ (target)))
      if (card) this.#choose(card)
    })
  }

  /** @returns {Card[]} in the order in which they stand */
  get #live() {
    return [...this.list.children]
      .map((place) => /** @type {any} */ (place).card)
      .filter((card) => card && card.state !== 'over')
  }

  /** Those that nobody here has answered yet. */
  get unanswered() {
    return this.#live.filter((card) => card.state === 'live')
  }

  get chosen() {
    return this.#chosen
  }

  /** @param {string} id @returns {Card | undefined} */
  find(id) {
    return this.#cards.get(id)
  }

  /**
   * Brings the desk in line with what the hub says is on it.
   * @param {readonly any[]} notifications
   * @param {(card: Card) => void} missing told of each that is no longer among them, and did not say how it ended
   */
  show(notifications, missing) {
    const now = new Set(notifications.map((one) => one.notificationId))
    for (const card of this.#live) if (!now.has(card.id)) missing(card)
    for (const one of notifications) {
      const card = this.#cards.get(one.notificationId)
      if (card && card.state !== 'over') card.update(one)
      else this.#put(one, card)
    }
    if (!this.#chosen) this.#choose(this.#live[0])
  }

  /** @param {string} id @param {string} text @param {'good' | 'gone'} mark */
  end(id, text, mark) {
    const card = this.#cards.get(id)
    if (!card) return
    if (card.state === 'over') card.retell(text, mark)
    else this.#settle(card, text, mark)
    this.#desk.gone(id)
  }

  /** Time passes: clocks go on, and what has ended goes. */
  tick() {
    for (const card of this.#cards.values()) card.tick()
    const now = performance.now()
    for (const place of this.list.children) {
      const { card } = /** @type {any} */ (place)
      if (card?.state === 'over' && now - card.overAt > (place.matches(':hover') ? OVER_POINTED_MS : OVER_MS))
        this.#vacate(place, card)
    }
    if (now - this.#pointedAt < CALM_MS || this.#held()) return
    for (const place of /** @type {any[]} */ ([...this.list.children])) {
      if (place.emptySince < now) place.remove()
      else if (place.card?.state !== 'over') place.style.minHeight = ''
    }
  }

  /** Puts the focus on the next card, or the one before. @param {1 | -1} step */
  move(step) {
    const live = this.#live
    const at = this.#chosen ? live.indexOf(this.#chosen) : -1
    const next = at < 0 ? live[0] : live[(at + step + live.length) % live.length]
    this.focus(next)
  }

  /** @param {number} index @returns {boolean} whether there is such a card */
  pick(index) {
    return this.focus(this.#live[index])
  }

  /** @param {Card} [card] */
  focus(card) {
    if (!card) return false
    card.node.focus()
    card.node.scrollIntoView({ block: 'nearest' })
    return true
  }

  /** By a key. @param {'accept' | 'reject'} action */
  answer(action) {
    const card = this.#chosen
    if (!card) return this.#desk.say('Nothing rings')
    return card.answer(action)
  }

  /** Goes to where a reason is typed. */
  giveReason() {
    if (this.#chosen?.state === 'live') this.#chosen.reason.focus()
  }

  /** @param {any} notification @param {Card} [before] of the same notification, that was over */
  #put(notification, before) {
    const card = new Card(notification, this.#desk)
    this.#cards.set(card.id, card)
    const places = /** @type {any[]} */ ([...this.list.children])
    const place =
      places.find((one) => (before ? one.card === before : !one.card)) ??
      element('li', { class: 'place', 'data-steady': '' })
    place.card = card
    place.emptySince = NaN
    place.classList.remove('empty-place')
    place.removeAttribute('aria-hidden')
    place.replaceChildren(card.node)
    if (!place.isConnected) this.list.append(place)
    this.#desk.shown(card)
  }

  /** @param {Card} card @param {string} text @param {'good' | 'gone'} mark */
  #settle(card, text, mark) {
    if (document.activeElement === card.reason) this.#desk.guard.typing()
    hold(card.node.parentElement)
    card.end(text, mark)
    if (card !== this.#chosen) return
    const { unanswered } = this
    const after = unanswered.find(
      ({ node }) => card.node.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING,
    )
    this.#choose(after ?? unanswered[0] ?? this.#live[0])
    this.#desk.guard.passed()
  }

  #vacate(place, card) {
    const hadFocus = place.contains(document.activeElement)
    this.#cards.delete(card.id)
    hold(place)
    place.card = undefined
    place.emptySince = performance.now()
    if (hadFocus && !this.focus(this.#chosen)) this.#desk.home().focus()
    place.replaceChildren()
    place.classList.add('empty-place')
    place.setAttribute('aria-hidden', 'true')
  }

  /** @param {Card} [card] */
  #choose(card) {
    if (card === this.#chosen) return
    this.#chosen?.node.classList.remove('chosen')
    this.#chosen?.node.removeAttribute('aria-current')
    this.#chosen = card
    card?.node.classList.add('chosen')
    card?.node.setAttribute('aria-current', 'true')
  }
}

/** It stays as high as it is: what is below does not move. @param {HTMLElement | null} place */
function hold(place) {
  if (place) place.style.minHeight = `${place.getBoundingClientRect().height}px`
}
