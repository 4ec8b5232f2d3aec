// The agent's sessions: those in breach first, with unread messages, a search if there are many, and an end that can be
// taken back; below them the breaches at other desks, on one line that opens.

import { element, focusIn, reconcile, setText } from './dom.js'
import { holdWhilePressed } from './click-guard.js'
import { picture } from './icons.js'
import { shortIds } from './short-ids.js'

/** With more sessions than this there is a search. */
const SEARCH_FROM = 8

export class SessionList {
  #model
  #desk
  #texts
  #held
  #query = ''

  /**
   * @param {import('./model.js').DeskModel} model
   * @param {any} desk texts, the clock, and where the focus goes without sessions
   */
  constructor(model, desk) {
    this.#model = model
    this.#desk = desk
    const { texts } = desk
    this.#texts = texts
    this.sessions = element('ul', { class: 'sessions', 'aria-label': texts.text('sessions.title') })
    this.search = element('input', {
      type: 'search',
      class: 'search',
      placeholder: texts.text('sessions.search'),
      'aria-label': texts.text('sessions.search'),
      dir: 'auto',
      autocomplete: 'off',
      hidden: true,
      input: () => {
        this.#query = this.search.value.trim().toLowerCase()
        this.show()
      },
    })
    this.none = element('p', { class: 'empty' })
    this.elsewhereCount = element('summary')
    this.elsewhereList = element('ul', { 'aria-label': texts.text('kpi.elsewhereList') })
    this.elsewhere = element('details', { class: 'elsewhere', hidden: true }, this.elsewhereCount, this.elsewhereList)
    this.#held = holdWhilePressed(this.sessions, () => this.show(), desk.signal)
  }

  show() {
    if (this.#held()) return
    const all = this.#model.sessions
    const ids = shortIds(all.map(({ sessionId }) => sessionId))
    this.search.hidden = all.length <= SEARCH_FROM && !this.#query
    const sessions = all
      .filter((one) => `${one.title} ${one.sessionId}`.toLowerCase().includes(this.#query))
      .map((one) => ({ ...one, shown: ids.get(one.sessionId) }))
    const focused = focusIn(this.sessions)
    const at = this.#focused
    const firstBefore = /** @type {any} */ (this.sessions.firstElementChild)?.key
    reconcile(
      this.sessions,
      sessions,
      (one) => one.sessionId,
      (one) => this.#session(one),
    )
    if (at >= 0) {
      // A row that moves loses the focus.
      if (focused?.isConnected) /** @type {HTMLElement} */ (focused).focus({ preventScroll: true })
      else this.focus(Math.min(at, sessions.length - 1))
    } else if (sessions[0]?.breach && sessions[0].sessionId !== firstBefore) {
      this.sessions.scrollTop = 0
    }
    this.none.hidden = sessions.length > 0
    setText(this.none, this.#texts.text(this.#query && all.length ? 'sessions.notFound' : 'sessions.none'))
    this.#showElsewhere()
  }

  /** Time passes: the sessions' ages. */
  tick() {
    for (const row of this.sessions.children) /** @type {any} */ (row).tick()
  }

  /** Goes to a session's row, or home if there is none. */
  focus(index) {
    const row = /** @type {HTMLElement | undefined} */ (this.sessions.children[index])
    ;(row ?? this.#desk.home()).focus()
  }

  move(step) {
    const at = this.#focused
    if (at < 0) return false
    const { length } = this.sessions.children
    this.focus((at + step + length) % length)
    return true
  }

  /** Ends the session whose row has the focus. */
  endFocused() {
    const row = /** @type {any} */ (this.sessions.children[this.#focused])
    if (row) this.#model.endSession(row.key)
  }

  get #focused() {
    const focused = focusIn(this.sessions)
    return [...this.sessions.children].findIndex((row) => row.contains(focused))
  }

  #showElsewhere() {
    const breaches = this.#model.breachesElsewhere
    this.elsewhere.hidden = !breaches.length
    const ids = shortIds(breaches.map(({ sessionId }) => sessionId))
    setText(this.elsewhereCount, this.#texts.text('kpi.elsewhere', { count: breaches.length }))
    reconcile(
      this.elsewhereList,
      breaches.map((one) => ({ ...one, shown: ids.get(one.sessionId) ?? one.sessionId })),
      (one) => one.sessionId,
      ({ sessionId }) => {
        const row = element('li', { title: sessionId })
        row.update = ({ shown, details }) =>
          setText(row, this.#texts.text(details ? 'kpi.elsewhereWith' : 'kpi.elsewhereOf', { id: shown, details }))
        return row
      },
    )
  }

  #session(session) {
    const { sessionId, title: name } = session
    const texts = this.#texts
    const mark = element('span', { class: 'mark', role: 'img' }, '!')
    const said = element('span', { dir: 'auto' })
    const since = element('span', { class: 'since' })
    const details = element('p', { class: 'details' }, said, ' ', since)
    const customer = element('div', { class: 'customer-of' })
    if (session.fields?.length || session.link) void this.#desk.customer(customer, session)
    const title = element('h4', { class: 'title', dir: 'auto' }, name)
    const unread = element('span', { class: 'unread' })
    const id = element('span', { title: sessionId })
    const age = element('span')
    const press = () => {
      if (this.#model.can('undo', sessionId)) this.#model.undoEnd(sessionId)
      else this.#model.endSession(sessionId)
    }
    const end = element('button', { type: 'button', class: 'quiet', part: 'end', click: press })
    const row = element(
      'li',
      { 'data-steady': '', part: 'session', tabindex: -1 },
      element('span', { class: 'face' }, picture(session.icon ?? 'person'), mark),
      element(
        'div',
        { class: 'about' },
        title,
        element('p', { class: 'small' }, unread, ' ', id, ' ', age),
        details,
        customer,
      ),
      end,
    )
    row.tick = () => {
      const ms = this.#desk.now() - Date.parse(row.startedAt)
      setText(age, ms >= 0 ? `·\u00a0${texts.duration(ms)}` : '')
    }
    row.update = (current) => {
      const { breach, unread: count, startedAt, state, shown } = current
      const isEnding = state === 'ending'
      row.startedAt = startedAt
      mark.hidden = details.hidden = !breach
      mark.setAttribute('aria-label', breachWords(texts, breach?.details))
      row.classList.toggle('breached', Boolean(breach))
      row.classList.toggle('ending-session', state !== 'open')
      setText(said, breach?.details || texts.text('kpi.breach'))
      setText(since, breach?.since ? texts.text('kpi.since', { time: texts.timeOfDay(breach.since) }) : '')
      setText(title, current.title)
      title.title = current.title
      setText(end, texts.text(isEnding ? 'action.undo' : 'action.endSession'))
      // Not hidden or disabled: that would take the focus away.
      end.setAttribute('aria-disabled', String(state === 'ended'))
      end.setAttribute(
        'aria-label',
        texts.text(isEnding ? 'action.undoOf' : 'action.endSessionOf', { title: current.title }),
      )
      unread.hidden = !count
      setText(unread, texts.text('session.unread', { count }))
      setText(id, state === 'open' ? texts.text('session.id', { id: shown }) : texts.text('session.ending'))
      row.tick()
    }
    return row
  }
}

function breachWords(texts, details) {
  return details ? texts.text('kpi.breachWith', { details }) : texts.text('kpi.breach')
}
