// One agent's desk: what rings, what is being talked about, what just ended.

import { Agent } from '/sdk/deskbell.js'
import { clock, connectionState, element, icon, reconcile, setText, shortId } from './dom.js'
import { outcomeInWords } from './words.js'

const JUST_NOW_MAX = 5
const URGENT_MS = 10_000

/**
 * Puts a desk into `place`.
 * @param {HTMLElement} place
 * @param {{ agentId?: string, token?: string, onMessage?: (who: string, event: any) => void }} options with a token,
 *   that says who the agent is
 */
export function mountDesk(place, { agentId, token, onMessage }) {
  const agent = new Agent('/ws', token ? { token } : { agentId })
  const desk = new Desk(place, agent, agentId ?? 'new agent')
  agent.on('message', (event) => onMessage?.(agent.agentId ?? desk.name, event))
  return agent
}

class Desk {
  /** @type {{ key: string, text: string }[]} */ #ended = []
  #titles = new Map()
  #agent
  #eyes

  constructor(place, agent, name) {
    this.name = name
    this.#agent = agent
    this.#eyes = watchEyes(agent)
    const id = `desk-title-${Math.random().toString(36).slice(2)}`
    this.title = element('h2', { id }, `Desk of ${name}`)
    this.presence = element('input', { type: 'checkbox', role: 'switch', change: () => this.#togglePresence() })
    this.fault = element('p', { class: 'fault', role: 'alert' })
    this.ringing = element('ul', { class: 'cards', 'aria-label': 'Ringing' })
    this.sessions = element('ul', { class: 'sessions', 'aria-label': 'Sessions' })
    this.elsewhere = element('ul', { class: 'elsewhere', 'aria-label': 'KPI breaches elsewhere' })
    this.justNow = element('ul', { class: 'past', 'aria-label': 'Just now' })
    this.said = element('p', { class: 'unseen', role: 'status', 'aria-label': 'News' })
    place.replaceChildren(element('section', { class: 'panel desk', 'aria-labelledby': id },
      element('header', {},
        this.title,
        element('label', { class: 'switch' }, this.presence, element('span', {}, 'Available')),
        connectionState(agent)),
      this.fault,
      element('h3', {}, 'Ringing'), this.ringing, element('p', { class: 'empty' }, 'Nothing rings.'),
      element('h3', {}, 'Sessions'), this.sessions, element('p', { class: 'empty' }, 'No sessions.'), this.elsewhere,
      element('h3', {}, 'Just now'), this.justNow, element('p', { class: 'empty' }, 'Nothing has ended yet.'),
      this.said))
    agent.on('change', () => this.#show())
    agent.on('notification', (one) => setText(this.said, `${one.title}: ringing`))
    agent.on('closed', (message) => this.#closed(message))
    setInterval(() => this.#tick(), 250)
  }

  #show() {
    const agent = this.#agent
    this.name = agent.agentId
    setText(this.title, `Desk of ${this.name}`)
    this.presence.checked = agent.presence === 'available'
    for (const one of agent.notifications) this.#titles.set(one.notificationId, one.title)
    reconcile(this.ringing, agent.notifications, (one) => one.notificationId, (one) => this.#card(one))
    reconcile(this.sessions, agent.sessions, (one) => one.sessionId, (one) => this.#session(one))
    const own = new Set(agent.sessions.map((one) => one.sessionId))
    reconcile(this.elsewhere, agent.kpi.filter((one) => !own.has(one.sessionId)), (one) => one.sessionId, (one) => this.#breach(one))
  }

  #card(notification) {
    const { notificationId, title, fields, buttons, showTimeout, timeoutMs } = notification
    const time = element('span', { class: 'clock' })
    const bar = element('progress', { max: timeoutMs, 'aria-label': 'Time left' })
    const reason = element('input', { type: 'text', maxlength: 256, placeholder: 'Reason (optional)', 'aria-label': 'Reason for a reject' })
    const answer = (call) => this.#answer(card, call)
    const card = element('li', {}, element('article', { class: 'card', 'aria-label': title },
      element('header', {}, icon(notification.icon), element('h4', {}, title), showTimeout && time),
      showTimeout && bar,
      element('dl', {}, ...fields.flatMap(({ label, value }) => [element('dt', {}, label), element('dd', {}, value)])),
      element('div', { class: 'answers' },
        element('button', { type: 'button', class: 'accept', click: () => answer(() => this.#agent.accept(notificationId)) }, buttons.accept),
        element('button', { type: 'button', class: 'reject', click: () => answer(() => this.#agent.reject(notificationId, reason.value || undefined)) }, buttons.reject),
        reason)))
    card.update = (current) => { card.current = current }
    card.tick = () => {
      const left = this.#agent.remainingMs(card.current)
      bar.value = left
      setText(time, clock(left))
      card.classList.toggle('urgent', left < URGENT_MS)
    }
    card.current = notification
    card.tick()
    this.#eyes(card, notificationId)
    return card
  }

  async #answer(card, call) {
    const controls = card.querySelectorAll('button')
    for (const control of controls) control.disabled = true
    setText(this.fault, '')
    try {
      await call()
    } catch (error) {
      setText(this.fault, error.detail ?? error.message)
      for (const control of controls) control.disabled = false
    }
  }

  #session(session) {
    const mark = element('span', { class: 'mark', role: 'img' }, '!')
    const details = element('p', { class: 'details' })
    const unread = element('span', { class: 'unread' })
    const row = element('li', {},
      element('span', { class: 'face' }, icon('chat'), mark),
      element('div', {}, element('p', { class: 'title' }, session.title), element('p', { class: 'small' }, 'session ', shortId(session.sessionId)), details),
      unread,
      element('button', { type: 'button', class: 'quiet', 'aria-label': `End session: ${session.title}`, click: () => this.#end(session.sessionId) }, 'End'))
    row.update = ({ sessionId, breached, unread: count }) => {
      const said = this.#agent.kpi.find((one) => one.sessionId === sessionId)?.details
      mark.hidden = details.hidden = !breached
      mark.setAttribute('aria-label', said ? `KPI breach: ${said}` : 'KPI breach')
      setText(details, said ?? 'KPI breach')
      unread.hidden = !count
      setText(unread, `${count} unread`)
    }
    return row
  }

  #breach({ sessionId }) {
    const said = element('span')
    const row = element('li', {},
      element('span', { class: 'mark', 'aria-hidden': 'true' }, '!'),
      element('span', {}, 'Session ', shortId(sessionId), ' is in breach', said))
    row.update = ({ details }) => setText(said, details ? `: ${details}` : '')
    return row
  }

  async #end(sessionId) {
    setText(this.fault, '')
    await this.#agent.endSession(sessionId).catch((error) => setText(this.fault, error.detail ?? error.message))
  }

  async #togglePresence() {
    const presence = this.presence.checked ? 'available' : 'away'
    await this.#agent.setPresence(presence).catch((error) => setText(this.fault, error.detail ?? error.message))
    this.presence.checked = this.#agent.presence === 'available'
  }

  #closed({ notificationId, value, agentId }) {
    const title = this.#titles.get(notificationId) ?? 'A notification'
    this.#titles.delete(notificationId)
    const text = `${title}: ${outcomeInWords(value, agentId, this.#agent.agentId)}`
    this.#ended = [{ key: notificationId, text }, ...this.#ended].slice(0, JUST_NOW_MAX)
    reconcile(this.justNow, this.#ended, (one) => one.key, (one) => element('li', {}, one.text))
    setText(this.said, text)
  }

  #tick() {
    for (const card of this.ringing.children) card.tick()
  }
}

/** Tells the hub what has really been before someone's eyes: on the screen, in a window that shows. */
function watchEyes(agent) {
  const waiting = new Map()
  const look = () => {
    if (document.visibilityState !== 'visible') return
    for (const [card, { id, inView }] of waiting) {
      if (!card.isConnected) waiting.delete(card)
      if (!inView || agent.state !== 'open') continue
      agent.seen(id)
      waiting.delete(card)
    }
  }
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const entry = waiting.get(target)
      if (entry) entry.inView = isIntersecting
      if (!target.isConnected || !entry) observer.unobserve(target)
    }
    look()
  }, { threshold: 0.5 })
  document.addEventListener('visibilitychange', look)
  agent.on('state', look)
  return (card, id) => {
    waiting.set(card, { id, inView: false })
    observer.observe(card)
  }
}
