// What is being talked about: the agent's sessions, with what is unread and the mark of a KPI in breach.

import { element, reconcile, setText, shortId } from './dom.js'
import { holdWhilePressed } from './click-guard.js'
import { keep, kept } from '../../demo/tab-storage.js'
import { picture } from './icons.js'
import { duration, timeOfDay } from './time-format.js'

const ICONS_MAX = 500
const ICONS = 'deskbell.icons'

export class SessionList {
  #agent
  #desk
  #held
  /** @type {Map<string, string>} by session id; the hub does not repeat it */ #icons = keptIcons()

  /**
   * @param {import('../deskbell.js').Agent} agent
   * @param {{ end: (sessionId: string) => Promise<void>, now: () => number, home: () => HTMLElement }} desk
   */
  constructor(agent, desk) {
    this.#agent = agent
    this.#desk = desk
    this.sessions = element('ul', { class: 'sessions', 'aria-label': 'Sessions' })
    this.elsewhere = element('ul', { class: 'elsewhere', 'aria-label': 'KPI breaches elsewhere' })
    this.#held = holdWhilePressed(this.sessions, () => this.show())
  }

  /** Of a notification that is on the desk, which may become a session. @param {any} notification */
  remember({ sessionId, icon = '' }) {
    if (this.#icons.get(sessionId) === icon) return
    this.#icons.delete(sessionId)
    this.#icons.set(sessionId, icon)
    for (const oldest of this.#icons.keys()) {
      if (this.#icons.size <= ICONS_MAX) break
      this.#icons.delete(oldest)
    }
    keep(ICONS, [...this.#icons])
  }

  show() {
    if (this.#held()) return
    const { sessions, kpi } = this.#agent
    const own = new Set(sessions.map((one) => one.sessionId))
    const rows = [...this.sessions.children]
    const focused = rows.findIndex((row) => row.contains(document.activeElement))
    reconcile(
      this.sessions,
      sessions,
      (one) => one.sessionId,
      (one) => this.#session(one),
    )
    if (focused >= 0 && !rows[focused].isConnected) this.focus(Math.min(focused, sessions.length - 1))
    reconcile(
      this.elsewhere,
      kpi.filter((one) => !own.has(one.sessionId)),
      (one) => one.sessionId,
      (one) => this.#breach(one),
    )
  }

  /** Goes to a session's row, or home if there is none. @param {number} index */
  focus(index) {
    const row = /** @type {HTMLElement | undefined} */ (this.sessions.children[index])
    ;(row ?? this.#desk.home()).focus()
  }

  /** @param {1 | -1} step @returns {boolean} whether the focus is in the rail */
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
    if (row) this.#desk.end(row.key)
  }

  get #focused() {
    return [...this.sessions.children].findIndex((row) => row.contains(document.activeElement))
  }

  #session(session) {
    const mark = element('span', { class: 'mark', role: 'img' }, '!')
    const details = element('p', { class: 'details' })
    const said = element('span')
    const since = element('span', { class: 'since' })
    details.append(said, since)
    const meta = element('span')
    const title = element('p', { class: 'title' })
    const unread = element('span', { class: 'unread' })
    const end = element(
      'button',
      { type: 'button', class: 'quiet', click: () => this.#desk.end(session.sessionId) },
      'End',
    )
    const row = element(
      'li',
      { 'data-steady': '', tabindex: -1 },
      element('span', { class: 'face' }, picture(this.#icons.get(session.sessionId) ?? 'person'), mark),
      element(
        'div',
        { class: 'about' },
        title,
        element('p', { class: 'small' }, unread, 'session ', shortId(session.sessionId), meta),
        details,
      ),
      end,
    )
    row.tick = () => {
      const age = this.#desk.now() - Date.parse(row.startedAt)
      setText(meta, age >= 0 ? ` ·\u00a0${duration(age).replaceAll(' ', '\u00a0')}` : '')
    }
    row.update = (current) => {
      const { sessionId, breached, unread: count, startedAt } = current
      row.startedAt = startedAt
      const breach = this.#agent.kpi.find((one) => one.sessionId === sessionId)
      mark.hidden = details.hidden = !breached
      mark.setAttribute('aria-label', breach?.details ? `KPI breach: ${breach.details}` : 'KPI breach')
      row.classList.toggle('breached', Boolean(breached))
      setText(said, breach?.details || 'KPI breach')
      setText(since, breach?.since ? ` since ${timeOfDay(breach.since)}` : '')
      setText(title, current.title)
      title.title = current.title
      end.setAttribute('aria-label', `End session: ${current.title}`)
      unread.hidden = !count
      setText(unread, `${count} unread`)
      row.tick()
    }
    return row
  }

  #breach({ sessionId }) {
    const said = element('span')
    const row = element(
      'li',
      {},
      element('span', { class: 'mark', 'aria-hidden': 'true' }, '!'),
      element('span', {}, 'Session ', shortId(sessionId), ' is in breach', said),
    )
    row.update = ({ details }) => setText(said, details ? `: ${details}` : '')
    return row
  }
}

/** Storage is anybody's: only what has the right form is taken. @returns {Map<string, string>} */
function keptIcons() {
  const found = kept(ICONS, () => [])
  const isPair = (one) => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === 'string')
  return new Map(Array.isArray(found) ? found.filter(isPair).slice(-ICONS_MAX) : [])
}
