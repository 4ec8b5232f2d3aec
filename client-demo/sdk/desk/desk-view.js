// Draws a desk: what rings, the sessions, recent activity. All it knows comes from the model; whatever the agent does
// goes there.

import { element, reconcile, setText } from './dom.js'
import { Announcer } from './announcer.js'
import { CardGrid } from './card-grid.js'
import { guardClicks, KeyGuard } from './click-guard.js'
import { ConnectionStatus } from './connection-status.js'
import { picture } from './icons.js'
import { Menu } from './menu.js'
import { SessionList } from './session-list.js'
import { adopt } from './styles.js'
import { watchVisibility } from './visibility.js'

const TICK_MS = 125

/**
 * @typedef {object} ViewOptions
 * @property {'full' | 'panel' | 'bar'} layout
 * @property {boolean} silent without ring and desktop notifications
 * @property {boolean} pageKeys keys are heard on the whole page, not only inside the desk
 * @property {string} [worker] the service worker of desktop notifications; without one they have no buttons
 * @property {() => string} preferredSound the host page's choice; empty: none
 */

export class DeskView {
  #root
  #client
  #model
  #health
  #texts
  #options
  #signal
  #keyGuard = new KeyGuard()
  #eyes
  #wasFresh = false
  /** Opened by the agent, in the bar. */ #opened = false
  /** The notification that the agent accepted last in this tab. */ #accepted = ''
  /** @type {import('./alarms.js').Alarms | undefined} */ #alarms
  /** Whether the alarms are loaded, or being loaded. */ #hasAlarms = false

  /** @param {ShadowRoot} root @param {any} desk with the {@link ViewOptions} */
  constructor(root, { client, model, health, texts, name, options, signal }) {
    this.#root = root
    this.#client = client
    this.#model = model
    this.#health = health
    this.#texts = texts
    this.#options = options
    this.#signal = signal
    this.name = name
    this.#eyes = watchVisibility(client, signal)
    this.#build()
    const noteClicks = guardClicks(this.section, '[data-steady]', () => this.#hint('guard.moved'))
    for (const type of ['change', 'ended', 'news', 'fault'])
      model.addEventListener(type, (event) => this.#heard(type, /** @type {CustomEvent} */ (event).detail), { signal })
    health.addEventListener('news', (event) => this.#news(/** @type {CustomEvent} */ (event).detail), { signal })
    client.on('welcome', (welcome) => this.#joined(welcome), { signal })
    client.on('session', (session) => this.#began(session), { signal })
    client.on('close', () => void this.#alarms?.leave(), { signal })
    const timer = setInterval(() => {
      this.#tick()
      noteClicks()
    }, TICK_MS)
    signal.addEventListener('abort', () => {
      clearInterval(timer)
      this.announcer.stop()
      void this.#alarms?.leave()
    })
    if (client.welcome) this.#joined(client.welcome)
    this.show()
  }

  #build() {
    const texts = this.#texts
    const { layout } = this.#options
    const text = (key) => texts.text(key)
    this.announcer = new Announcer(
      element('p', { class: 'unseen', role: 'status', 'aria-label': text('desk.news') }),
      (count) => texts.text('news.more', { count }),
    )
    this.link = new ConnectionStatus(this.#client, this.#health, texts)
    this.title = element('h2', { id: 'desk-title', part: 'title' })
    this.presence = element('input', {
      type: 'checkbox',
      role: 'switch',
      change: () => this.#setPresence(this.presence.checked),
    })
    this.fault = element('p', { class: 'fault', role: 'alert', part: 'fault' })
    this.incomingTitle = element('h3', { tabindex: -1 }, text('incoming.title'))
    this.sessionsTitle = element('h3', { tabindex: -1 })
    this.nothing = element('p', { class: 'empty' })
    this.recent = element('ul', { class: 'past', 'aria-label': text('recent.title') })
    this.line = element('div', { class: 'line', role: 'group', 'aria-label': text('ready.label') }, this.link.banner)
    this.#buildLists()
    this.menu = new Menu(texts, () => void this.#openKeys(), this.#signal)
    this.section = element('section', {
      class: 'desk',
      part: 'desk',
      'aria-labelledby': 'desk-title',
      lang: texts.language,
      dir: texts.direction,
      'data-layout': layout,
    })
    this.section.append(
      this.#header(layout === 'bar'),
      this.line,
      element(
        'div',
        { class: 'body' },
        element('div', { class: 'incoming', part: 'incoming' }, this.incomingTitle, this.cards.list, this.nothing),
        element(
          'div',
          { class: 'rail', part: 'sessions' },
          this.sessionsTitle,
          this.sessions.search,
          this.sessions.sessions,
          this.sessions.none,
          this.sessions.elsewhere,
          element('h3', {}, text('recent.title')),
          this.recent,
          element('p', { class: 'empty' }, text('recent.none')),
        ),
      ),
      this.fault,
      this.announcer.node,
    )
    this.#root.replaceChildren(this.section)
    void this.#listenForKeys()
    void this.#offerChoice()
  }

  /** The keys and their dialog are loaded apart: the desk can be used without them. */
  async #listenForKeys() {
    const { deskKeys, listenForKeys } = await import('./desk-keys.js')
    this.keys = deskKeys(this)
    listenForKeys(this.#options.pageKeys ? document : this.section, this.section, this.keys, {
      guard: this.#keyGuard,
      refused: () => this.#hint('guard.selection'),
      open: () => void this.#openKeys(),
      signal: this.#signal,
    })
    this.section.dataset.keys = ''
  }

  async #openKeys() {
    if (!this.dialog) {
      const { keysDialog, KEYS } = await import('./keys-dialog.js')
      adopt(this.#root, KEYS)
      this.dialog ??= keysDialog(this.keys ?? [], this.#texts, this.#signal)
      this.dialog.addEventListener('close', () => this.#eyes.look())
      this.section.append(this.dialog)
    }
    if (!this.dialog.open) this.dialog.showModal()
  }

  #buildLists() {
    const texts = this.#texts
    this.cards = new CardGrid({
      texts,
      remainingMs: (one) => this.#client.remainingMs(one),
      connected: () => this.#health.fresh,
      answer: (id, action, reason) => void this.#model.answer(id, action, reason),
      urgent: (title) => this.announcer.say(texts.text('news.urgent', { title }), true),
      gone: (card) => card && this.#eyes.forget(card.node),
      shown: (card) => this.#eyes.watch(card.node, card.id),
      nothing: () => this.announcer.say(texts.text('incoming.none')),
      guard: this.#keyGuard,
      home: () => this.incomingTitle,
      signal: this.#signal,
    })
    this.sessions = new SessionList(this.#model, {
      texts,
      customer: (place, session) => this.#showCustomer(place, session),
      now: () => this.#health.now(),
      home: () => this.sessionsTitle,
      signal: this.#signal,
    })
  }

  #header(isBar) {
    const texts = this.#texts
    this.summary = element('span', { class: 'summary' })
    this.toggle = element(
      'button',
      {
        type: 'button',
        class: 'toggle',
        part: 'toggle',
        click: () => {
          this.#opened = this.section.dataset.open !== 'all'
          this.show()
        },
      },
      picture('more'),
    )
    return element(
      'header',
      { part: 'header' },
      // Words that change have their room here, so the controls beside them keep their places.
      element('div', { class: 'whose' }, this.title, this.link.chip),
      isBar && this.summary,
      element('label', { class: 'switch' }, this.presence, element('span', {}, texts.text('desk.available'))),
      this.menu.node,
      isBar && this.toggle,
    )
  }

  /** The hub has said which agent this is, so the tabs of that agent can find each other. */
  async #joined({ workspace, agentId }) {
    if (this.#hasAlarms || this.#options.silent) return
    this.#hasAlarms = true
    const { worker, preferredSound } = this.#options
    try {
      const { Alarms, ALARMS } = await import('./alarms.js')
      if (this.#signal.aborted) return
      adopt(this.#root, ALARMS)
      this.#alarms = new Alarms({
        model: this.#model,
        health: this.#health,
        texts: this.#texts,
        announcer: this.announcer,
        who: JSON.stringify([workspace, agentId]),
        worker,
        preferredSound,
        signInEndsAt: () => this.#client.signInEndsAt,
        answer: (action, id) => this.#toasted(action, id),
        changed: () => this.#showSound(),
        signal: this.#signal,
      })
      this.menu.add(this.#alarms.sound.node)
      this.line.append(this.#alarms.line)
      this.show()
    } catch (error) {
      // The next connection tries again.
      this.#hasAlarms = false
      this.#fault({ key: 'fault.alarms', values: { detail: String(error) } })
    }
  }

  async #offerChoice() {
    const { customerChoice, CUSTOMER } = await import('./customer.js')
    adopt(this.#root, CUSTOMER)
    this.menu.add(customerChoice(this.#texts, this.#signal))
  }

  /** Fills a session's row with what its card said of the customer. */
  async #showCustomer(place, session) {
    const { customerOf } = await import('./customer.js')
    place.replaceChildren(...customerOf(this.#texts, session))
  }

  /** After an accept in this tab the customer page opens, if the agent wants that. `closed` comes before `session`. */
  #began({ notificationId, link }) {
    if (notificationId !== this.#accepted) return
    this.#accepted = ''
    void import('./customer.js').then(({ openIfChosen }) => openIfChosen(link))
  }

  #heard(type, detail) {
    switch (type) {
      case 'ended':
        if (detail.outcome.key === 'outcome.takenByYou') this.#accepted = detail.id
        this.cards.end(detail.id, this.#words(detail.outcome), detail.taken ? 'good' : 'gone')
        return this.show()
      case 'news':
        return this.#news(detail)
      case 'fault':
        return this.#fault(detail)
      default:
        return this.show()
    }
  }

  show() {
    const model = this.#model
    const texts = this.#texts
    const { known, fresh } = this.#health
    this.name = this.#client.agentId ?? this.name
    setText(this.title, texts.text('desk.title', { name: this.name }))
    this.title.title = this.name
    const away = model.presence === 'away'
    this.presence.checked = model.presence === 'available'
    this.section.classList.toggle('not-fresh', known && !fresh)
    this.link.show()
    this.cards.show(model.cards)
    this.sessions.show()
    let nothing = 'incoming.none'
    if (!known) nothing = 'incoming.connecting'
    else if (away) nothing = 'incoming.away'
    setText(this.nothing, texts.text(nothing))
    this.#showTitles()
    this.#showRecent()
    this.#showOpen()
    this.#alarms?.show()
  }

  #showTitles() {
    const { sessions } = this.#model
    const count = sessions.length
    const breached = sessions.filter((one) => one.breach).length
    let key = 'sessions.title'
    if (breached) key = 'sessions.breached'
    else if (count) key = 'sessions.count'
    setText(this.sessionsTitle, this.#texts.text(key, { count, breached }))
  }

  #showRecent() {
    reconcile(
      this.recent,
      this.#model.recent,
      ({ id }) => id,
      () => {
        const words = element('span', { dir: 'auto' })
        const time = element('time')
        const row = element('li', {}, words, time)
        row.update = ({ title, outcome, at, missed }) => {
          setText(words, this.#texts.text('news.over', { title: this.#titled(title), outcome: this.#words(outcome) }))
          setText(time, this.#texts.timeOfDay(at))
          row.toggleAttribute('data-missed', missed)
        }
        return row
      },
    )
  }

  /** The bar is open while it rings, or if the agent has opened it. */
  #showOpen() {
    if (this.#options.layout !== 'bar') return
    const ringing = this.cards.list.children.length > 0
    const count = this.#model.unanswered.length
    let open = this.#opened ? 'all' : ''
    if (!open && ringing) open = 'ringing'
    if (open) this.section.dataset.open = open
    else delete this.section.dataset.open
    this.toggle.setAttribute('aria-expanded', String(open === 'all'))
    this.toggle.setAttribute('aria-label', this.#texts.text(open === 'all' ? 'desk.close' : 'desk.open'))
    setText(this.summary, count ? this.#texts.text('incoming.count', { count }) : '')
  }

  #showSound() {
    const sound = this.#alarms?.sound
    if (sound) this.menu.show(sound.words.textContent, sound.muted, Boolean(sound.tone.sound))
  }

  #tick() {
    this.link.show()
    this.cards.tick()
    this.sessions.tick()
    const { fresh } = this.#health
    if (fresh !== this.#wasFresh) this.show()
    else this.#showOpen()
    this.#wasFresh = fresh
    this.#alarms?.tick()
  }

  /** From a desktop notification. */
  #toasted(action, id) {
    const card = this.cards.find(id)
    if (!card) return
    if (action === 'accept' || action === 'reject') card.answer(action)
    else this.cards.focus(card)
  }

  #news({ key, values, first }) {
    const { outcome, undoMs, title, ...rest } = values
    const filled = { ...rest }
    if (title !== undefined) filled.title = this.#titled(title)
    if (outcome) filled.outcome = this.#words(outcome)
    if (undoMs) filled.time = this.#texts.span(undoMs)
    this.announcer.say(this.#texts.text(key, filled), first)
  }

  #titled(title) {
    return title || this.#texts.text('card.unknown')
  }

  #words({ key, values }) {
    return this.#texts.text(key, values)
  }

  #fault(words) {
    this.fault.dataset.kind = 'fault'
    setText(this.fault, words ? this.#words(words) : '')
  }

  /** A press that was ignored on purpose: not an error. */
  #hint(key) {
    this.fault.dataset.kind = 'hint'
    setText(this.fault, this.#texts.text(key))
  }

  #setPresence(available) {
    void this.#model.setPresence(available ? 'available' : 'away')
  }

  togglePresence() {
    this.#setPresence(this.#model.presence === 'away')
  }

  toggleMute() {
    this.#alarms?.sound.toggle()
  }

  get hasSound() {
    return !this.#options.silent
  }
}
