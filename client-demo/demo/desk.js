// One agent's desk: what rings, what is being talked about, what just ended.

import { Agent } from '../sdk/deskbell.js'
import { element, reconcile, setText } from '../sdk/desk/dom.js'
import { Announcer } from '../sdk/desk/announcer.js'
import { CardGrid } from '../sdk/desk/card-grid.js'
import { watchVisibility } from '../sdk/desk/visibility.js'
import { picture } from '../sdk/desk/icons.js'
import { listenForKeys } from '../sdk/desk/shortcuts.js'
import { ConnectionStatus } from '../sdk/desk/connection-status.js'
import { Readiness } from '../sdk/desk/readiness.js'
import { SessionList } from '../sdk/desk/session-list.js'
import { SoundControl } from '../sdk/desk/sound-control.js'
import { TabLocks } from '../sdk/desk/tab-lock.js'
import { showTitleCount } from './title-count.js'
import { timeOfDay } from '../sdk/desk/time-format.js'
import { DesktopNotifications } from '../sdk/desk/desktop-notifications.js'
import { guardClicks, KeyGuard } from '../sdk/desk/click-guard.js'
import { outcomeInWords } from './outcome-text.js'

const JUST_NOW_MAX = 8
const TICK_MS = 125

/**
 * Puts a desk into `place`.
 * @param {HTMLElement} place
 * @param {{ agentId?: string, token?: string, alone?: boolean, onMessage?: (who: string, event: any) => void }} options
 *   with a token, that says who the agent is; `alone` on its page, it rings, shows desktop notifications and names the
 *   page after itself
 */
export function mountDesk(place, { agentId, token, alone = false, onMessage }) {
  const agent = new Agent('ws', token ? { token } : { agentId })
  const desk = new Desk(place, agent, agentId ?? 'new agent', alone)
  agent.on('message', (event) => onMessage?.(agent.agentId ?? desk.name, event))
  return agent
}

class Desk {
  /** @type {{ key: string, text: string, at: number }[]} newest first */ #ended = []
  /** @type {Set<string>} what this tab has answered */ #answered = new Set()
  /** @type {object | undefined} what is asked of the hub shows at once, and is not taken back by other news */ #asked
  #agent
  #eyes
  #noteClicks
  #keyGuard = new KeyGuard()
  /** @type {TabLocks | undefined} */ #tabs
  /** @type {SoundControl | undefined} */ #sound
  /** @type {DesktopNotifications | undefined} */ #toasts
  /** @type {Readiness | undefined} */ #preflight

  /** @param {HTMLElement} place @param {Agent} agent @param {string} name @param {boolean} alone */
  constructor(place, agent, name, alone) {
    this.name = name
    this.alone = alone
    this.#agent = agent
    this.#eyes = watchVisibility(agent)
    this.announcer = new Announcer(element('p', { class: 'unseen', role: 'status', 'aria-label': 'News' }))
    this.link = new ConnectionStatus(agent, this.announcer)
    const home = () => this.ringingTitle
    this.cards = new CardGrid({
      remainingMs: (one) => agent.remainingMs(one),
      connected: () => this.link.fresh,
      answer: (card, action, reason) => this.#answer(card, action, reason),
      urgent: (_, title) => this.announcer.say(`10 seconds left: ${title}`, true),
      gone: (id) => this.#eyes.forget(this.cards.find(id)?.node),
      shown: (card) => this.#eyes.watch(card.node, card.id),
      say: (text) => this.announcer.say(text),
      guard: this.#keyGuard,
      home,
    })
    this.rail = new SessionList(agent, {
      end: (id) => this.#end(id),
      now: () => this.link.now(),
      home: () => this.sessionsTitle,
    })
    this.#build(place)
    this.#noteClicks = guardClicks(this.section, '[data-steady]', () =>
      this.#fault('That had just moved: nothing was pressed. Press again.'),
    )
    agent.on('change', () => this.#show())
    agent.on('state', () => this.#show())
    agent.on('notification', (one) => this.#rang(one))
    agent.on('closed', (message) => this.#closed(message))
    agent.on('session', (session) => this.#began(session))
    agent.on('kpi', ({ sessionId, breached, details }) => this.#breached(sessionId, breached, details))
    agent.on('close', () => this.#left())
    agent.on('welcome', ({ agentId, workspace }) => alone && this.#joined(JSON.stringify([workspace, agentId])))
    this.timer = setInterval(() => this.#tick(), TICK_MS)
    this.#show()
  }

  /** @param {HTMLElement} place */
  #build(place) {
    const id = `desk-${Math.random().toString(36).slice(2)}`
    this.title = element('h2', { id }, `Desk of ${this.name}`)
    this.presence = element('input', {
      type: 'checkbox',
      role: 'switch',
      change: () => this.#setPresence(this.presence.checked),
    })
    this.fault = element('p', { class: 'fault', role: 'alert' })
    this.ringingTitle = element('h3', { tabindex: -1 }, 'Ringing')
    this.sessionsTitle = element('h3', { tabindex: -1 }, 'Sessions')
    this.nothing = element('p', { class: 'empty' })
    this.justNow = element('ul', { class: 'past', 'aria-label': 'Just now' })
    this.tools = element('div', { class: 'tools' })
    this.line = element('div', { class: 'line', role: 'group', 'aria-label': 'Readiness' }, this.link.banner)
    this.section = element('section', {
      class: this.alone ? 'panel desk own-page' : 'panel desk',
      'aria-labelledby': id,
    })
    const { dialog, open } = listenForKeys(
      this.alone ? document : this.section,
      this.section,
      this.#keys(),
      this.#keyGuard,
      () => this.#fault('The marked card had just changed: that key did nothing. Press it again.'),
    )
    this.section.append(
      element(
        'header',
        {},
        // What comes and goes in words has its room here: the controls beside it keep their places.
        element('div', { class: 'whose' }, this.title, this.link.chip),
        element('label', { class: 'switch' }, this.presence, element('span', {}, 'Available')),
        this.tools,
        element(
          'button',
          { type: 'button', class: 'quiet help', 'aria-label': 'Keys', title: 'Keys (?)', click: open },
          picture('keys'),
        ),
      ),
      this.line,
      element(
        'div',
        { class: 'body' },
        element('div', { class: 'incoming' }, this.ringingTitle, this.cards.list, this.nothing),
        element(
          'div',
          { class: 'rail' },
          this.sessionsTitle,
          this.rail.sessions,
          element('p', { class: 'empty' }, 'No sessions.'),
          this.rail.elsewhere,
          element('h3', {}, 'Just now'),
          this.justNow,
          element('p', { class: 'empty' }, 'Nothing has ended yet.'),
        ),
      ),
      this.fault,
      this.announcer.node,
      dialog,
    )
    place.replaceChildren(this.section)
  }

  /** The hub has said who this is: the tabs of that agent can find each other. @param {string} who */
  #joined(who) {
    if (this.#sound) return
    const changed = () => this.#preflight?.show()
    const tabs = (this.#tabs = new TabLocks(who))
    this.#sound = new SoundControl(tabs, changed)
    this.#toasts = new DesktopNotifications({
      tabs,
      desk: who,
      ringing: () =>
        this.cards.unanswered
          .map(({ id }) => this.#agent.notifications.find((one) => one.notificationId === id))
          .filter((one) => one !== undefined),
      answer: (action, id) => this.#toasted(action, id),
      changed,
    })
    this.#preflight = new Readiness(
      {
        link: this.link,
        sound: this.#sound,
        agent: this.#agent,
        toasts: () => this.#toasts,
        available: () => this.#setPresence(true),
      },
      this.announcer,
    )
    this.tools.append(this.#sound.node)
    this.line.append(this.#preflight.node)
    this.#show()
  }

  /** Closed for good, as for want of a token: another desk may come in this one's place. */
  async #left() {
    this.#sound?.leave()
    await this.#toasts?.leave()
    this.#tabs?.leave()
  }

  #show() {
    const agent = this.#agent
    const { known, fresh } = this.link
    this.name = agent.agentId ?? this.name
    setText(this.title, `Desk of ${this.name}`)
    if (this.#asked === undefined) this.presence.checked = agent.presence === 'available'
    this.section.classList.toggle('not-fresh', known && !fresh)
    for (const one of agent.notifications) this.rail.remember(one)
    this.cards.show(agent.notifications, ({ id, title }) =>
      this.#over(id, title, 'ended while this desk was not connected', 'gone'),
    )
    this.rail.show()
    setText(
      this.nothing,
      !known
        ? 'Waiting for the hub to say what rings \u2026'
        : agent.presence === 'away'
          ? 'Nothing rings: you are away.'
          : 'Nothing rings.',
    )
    const breached = agent.sessions.filter((one) => one.breached).length
    setText(
      this.sessionsTitle,
      agent.sessions.length
        ? `Sessions (${agent.sessions.length}${breached ? ', ' + breached + ' in breach' : ''})`
        : 'Sessions',
    )
    this.#ring()
  }

  /** Everything that calls for the agent from outside the page. */
  #ring() {
    if (!this.alone) return
    const ringing = this.cards.unanswered.length
    this.#sound?.ring(ringing > 0)
    this.#toasts?.show()
    this.#preflight?.show()
    showTitleCount({
      name: this.name,
      ringing,
      away: this.#agent.presence === 'away',
      offline: this.link.known && !this.link.fresh,
    })
  }

  #tick() {
    // Another desk may have taken its place, with a token.
    if (!this.section.isConnected) return clearInterval(this.timer)
    const { fresh } = this.link
    this.link.show()
    this.cards.tick()
    this.#noteClicks()
    for (const row of this.rail.sessions.children) /** @type {any} */ (row).tick()
    if (fresh !== this.wasFresh) this.#show()
    this.wasFresh = fresh
    this.#sound?.look()
  }

  #rang({ title }) {
    const { length } = this.#agent.notifications
    this.announcer.say(length > 1 ? `${title}: ringing, ${length} in all` : `${title}: ringing`)
  }

  /** @param {import('../sdk/desk/card.js').Card} card @param {'accept' | 'reject'} action @param {string} [reason] */
  async #answer({ id, title }, action, reason) {
    this.#fault('')
    this.#answered.add(id)
    this.#ring()
    try {
      const { value, agentId, won } = await (action === 'accept'
        ? this.#agent.accept(id)
        : this.#agent.reject(id, reason))
      // As a rule `closed` has told already; not if that was settled while this desk was not connected.
      if (!won && value) this.#over(id, title, this.#inWords(id, value, agentId), 'gone')
    } catch (error) {
      this.#answered.delete(id)
      this.#fault(`${title}: ${error.detail ?? error.message}`)
      this.#ring()
      throw error
    }
  }

  /** @param {string} action @param {string} id */
  #toasted(action, id) {
    const card = this.cards.find(id)
    if (!card) return
    if (action === 'accept' || action === 'reject') card.answer(action)
    else this.cards.focus(card)
  }

  #closed({ notificationId, value, agentId }) {
    const title = this.cards.find(notificationId)?.title ?? 'A notification'
    const mine = value?.actionName === 'Accept' && agentId === this.#agent.agentId
    this.#over(notificationId, title, this.#inWords(notificationId, value, agentId), mine ? 'good' : 'gone')
  }

  #inWords(id, value, agentId) {
    const words = outcomeInWords(value, agentId, this.#agent.agentId)
    const byAnswer = value?.responseReason === 'Accept' || value?.responseReason === 'DeclinedByAgent'
    return byAnswer && agentId === this.#agent.agentId && !this.#answered.has(id) ? `${words}, in another tab` : words
  }

  /** @param {string} id @param {string} title @param {string} words @param {'good' | 'gone'} mark */
  #over(id, title, words, mark) {
    this.cards.end(id, words, mark)
    this.#answered.delete(id)
    const text = `${title}: ${words}`
    const at = this.#ended.find(({ key }) => key === id)?.at ?? this.link.now()
    this.#ended = [{ key: id, text, at }, ...this.#ended.filter(({ key }) => key !== id)].slice(0, JUST_NOW_MAX)
    reconcile(
      this.justNow,
      this.#ended,
      (one) => one.key,
      (one) => this.#past(one),
    )
    this.announcer.say(text)
    this.#ring()
  }

  #past({ at }) {
    const words = element('span')
    const row = element('li', {}, words, element('time', {}, timeOfDay(at)))
    row.update = ({ text }) => setText(words, text)
    return row
  }

  #began({ title, notificationId }) {
    // One's own accept is told already.
    if (!this.#ended.some(({ key }) => key === notificationId)) this.announcer.say(`${title}: session begun`)
  }

  #breached(sessionId, breached, details) {
    const session = this.#agent.sessions.find((one) => one.sessionId === sessionId)
    if (!session) return
    this.announcer.say(
      breached ? `KPI breach: ${session.title}${details ? ', ' + details : ''}` : `KPI met again: ${session.title}`,
      breached,
    )
  }

  #fault(text) {
    setText(this.fault, text)
  }

  /** @param {string} sessionId */
  async #end(sessionId) {
    this.#fault('')
    await this.#agent.endSession(sessionId).catch((error) => this.#fault(error.detail ?? error.message))
  }

  /** @param {boolean} available */
  async #setPresence(available) {
    this.#fault('')
    const asked = (this.#asked = {})
    this.presence.checked = available
    await this.#agent
      .setPresence(available ? 'available' : 'away')
      .catch((error) => this.#fault(error.detail ?? error.message))
    if (this.#asked === asked) this.#asked = undefined
    this.#show()
  }

  /** @returns {import('../sdk/desk/shortcuts.js').Key[]} */
  #keys() {
    const step = (by) => (this.rail.move(by) ? undefined : this.cards.move(by))
    const keys = [
      { keys: ['a'], shown: 'A', does: 'accept the card that is marked', act: () => this.cards.answer('accept') },
      { keys: ['r'], shown: 'R', does: 'reject it', act: () => this.cards.answer('reject') },
      {
        keys: ['e'],
        shown: 'E',
        does: 'give a reason; Enter then rejects, Escape goes back',
        types: true,
        act: () => this.cards.giveReason(),
      },
      { keys: ['j', 'arrowdown'], shown: 'J or ↓', does: 'next card, or next session', act: () => step(1) },
      { keys: ['k', 'arrowup'], shown: 'K or ↑', does: 'the one before', act: () => step(-1) },
      { keys: [...'123456789'], shown: '1 to 9', does: 'that card', act: (key) => this.cards.pick(Number(key) - 1) },
      {
        keys: ['c'],
        shown: 'C',
        does: 'to the cards',
        act: () => this.cards.focus(this.cards.chosen) || this.ringingTitle.focus(),
      },
      { keys: ['s'], shown: 'S', does: 'to the sessions', act: () => this.rail.focus(0) },
      { keys: ['x'], shown: 'X', does: 'end the session that has the focus', act: () => this.rail.endFocused() },
      { keys: ['p'], shown: 'P', does: 'available, or away', act: () => this.#setPresence(!this.presence.checked) },
    ]
    if (this.alone)
      keys.push({ keys: ['m'], shown: 'M', does: 'mute the ring, or not', act: () => this.#sound?.toggle() })
    return keys
  }
}
