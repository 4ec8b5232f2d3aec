// The cards in their places. A card keeps its place until it ends; then it shows its outcome and leaves its place
// empty. The other cards close up only when nobody points at anything here.

import { element, focusIn } from './dom.js'
import { holdWhilePressed } from './click-guard.js'
import { Card } from './card.js'
import { preferences } from './preferences.js'

/** For how long a card that has ended shows its outcome. */
const OVER_MS = 4_000
/** The same while somebody points at it. */
const OVER_POINTED_MS = 10_000
/** An empty place is closed up when the pointer has rested this long, or is elsewhere. */
const CALM_MS = 1_500
const NUMBERS = 9

export class CardGrid {
  #desk
  /** @type {Map<string, Card>} by notification, including those that have ended */ #cards = new Map()
  #pointedAt = -Infinity
  #held
  /** @type {Card | undefined} the one that keys answer */ #selected

  /** @param {any} desk what a card needs, and: where the focus goes without cards, and who is told of them */
  constructor(desk) {
    this.#desk = desk
    this.list = element('ul', { class: 'cards', 'aria-label': desk.texts.text('incoming.title') })
    for (const type of ['pointermove', 'pointerdown'])
      this.list.addEventListener(type, () => {
        this.#pointedAt = performance.now()
      })
    this.list.addEventListener('pointerleave', () => {
      this.#pointedAt = -Infinity
    })
    this.#held = holdWhilePressed(this.list, () => {}, desk.signal)
    this.list.addEventListener('focusin', ({ target }) => {
      const card = this.#live.find(({ node }) => node.contains(/** @type {Node} */ (target)))
      if (card) this.#select(card)
    })
  }

  /** @returns {Card[]} in the order of their places */
  get #live() {
    return [...this.list.children]
      .map((place) => /** @type {any} */ (place).card)
      .filter((card) => card && card.state !== 'over')
  }

  get #unanswered() {
    return this.#live.filter((card) => card.state === 'live')
  }

  get selected() {
    return this.#selected
  }

  find(id) {
    return this.#cards.get(id)
  }

  show(cards) {
    for (const one of cards) {
      const card = this.#cards.get(one.id)
      if (card && card.state !== 'over') card.update(one)
      else this.#put(one, card)
    }
    if (!this.#selected) this.#select(this.#live[0])
    const letters = preferences().letters
    this.#live.forEach((card, index) => card.setNumber(letters && index < NUMBERS ? index + 1 : 0))
  }

  end(id, text, mark) {
    const card = this.#cards.get(id)
    if (!card) return
    if (card.state === 'over') card.retell(text, mark)
    else this.#settle(card, text, mark)
    this.#desk.gone(card)
  }

  /** Time passes: clocks go on, and cards that have ended go. */
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
    const at = this.#selected ? live.indexOf(this.#selected) : -1
    const next = at < 0 ? live[0] : live[(at + step + live.length) % live.length]
    this.focus(next)
  }

  pick(index) {
    return this.focus(this.#live[index])
  }

  focus(card) {
    if (!card) return false
    card.node.focus()
    card.node.scrollIntoView({ block: 'nearest' })
    return true
  }

  /** By a key. @param {'accept' | 'reject'} action */
  answer(action) {
    if (!this.#selected) return this.#desk.nothing()
    return this.#selected.answer(action)
  }

  /** Goes to the field for a reason. */
  giveReason() {
    if (this.#selected?.state === 'live') this.#selected.reason.focus()
  }

  #put(one, before) {
    const card = new Card(one.notification, this.#desk)
    card.update(one)
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

  #settle(card, text, mark) {
    if (focusIn(card.node) === card.reason) this.#desk.guard.typing()
    keepHeight(card.node.parentElement)
    card.end(text, mark)
    if (card !== this.#selected) return
    const unanswered = this.#unanswered
    const after = unanswered.find(
      ({ node }) => card.node.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING,
    )
    this.#select(after ?? unanswered[0] ?? this.#live[0])
    this.#desk.guard.passed()
  }

  #vacate(place, card) {
    const hadFocus = place.contains(focusIn(place))
    this.#cards.delete(card.id)
    keepHeight(place)
    place.card = undefined
    place.emptySince = performance.now()
    if (hadFocus && !this.focus(this.#selected)) this.#desk.home().focus()
    place.replaceChildren()
    place.classList.add('empty-place')
    place.setAttribute('aria-hidden', 'true')
  }

  #select(card) {
    if (card === this.#selected) return
    this.#selected?.node.classList.remove('chosen')
    this.#selected?.node.removeAttribute('aria-current')
    this.#selected = card
    card?.node.classList.add('chosen')
    card?.node.setAttribute('aria-current', 'true')
  }
}

/** It stays as high as it is, so nothing below moves. @param {HTMLElement | null} place */
function keepHeight(place) {
  if (place) place.style.minHeight = `${place.getBoundingClientRect().height}px`
}
