// The supervisor's page: connected agents, open notifications, outcomes and answer times, as an observer receives them.

import { connectionChip } from './connection-chip.js'
import { Observer } from '../sdk/deskbell.js'
import { stackedBars } from './charts.js'
import { element, reconcile, setText } from '../sdk/desk/dom.js'
import { clock, shortId } from './format.js'
import { DashboardModel, KINDS, STEPS_MS } from './dashboard-model.js'
import { holdWhilePressed } from '../sdk/desk/click-guard.js'
import { connectionInWords, outcomeInWords } from './outcome-text.js'

/** The page is drawn at most this often, however many events arrive. */
const DRAW_EVERY_MS = 300
const CHARTS_EVERY_MS = 1_000
const ROWS_MAX = 30
const EVENTS_SHOWN_MAX = 100
const CHART_WIDTH_MIN = 240
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const UNKNOWN = 'No data yet.'
const KIND_WORDS = { accepted: 'accepted', rejected: 'rejected', timedOut: 'timed out', cancelled: 'cancelled' }
const EVENT_WORDS = {
  notified: 'rings',
  displayed: 'is displayed',
  settled: 'is settled',
  cancelled: 'is cancelled',
  kpi: 'KPI',
  presence: 'presence',
  agentJoined: 'agent joined',
  agentLeft: 'agent left',
  providerJoined: 'provider joined',
  providerLeft: 'provider left',
}

/**
 * Puts the dashboard into `place`.
 * @param {HTMLElement} place
 * @param {{ token?: string | (() => Promise<string>) }} options
 */
export function mountDashboard(place, { token }) {
  const observer = new Observer('ws', { token })
  const dashboard = new Dashboard(place, observer)
  observer.on('welcome', (welcome) => dashboard.model.onWelcome(welcome))
  observer.on('event', (event) => dashboard.model.onEvent(event))
  observer.on('stats', (stats) => dashboard.model.onStats(stats))
  const stop = new AbortController()
  const drawing = setInterval(() => {
    if (!document.hidden) dashboard.draw()
  }, DRAW_EVERY_MS)
  document.addEventListener('visibilitychange', () => dashboard.draw(), { signal: stop.signal })
  observer.on('close', () => {
    stop.abort()
    clearInterval(drawing)
    dashboard.draw()
  })
  return observer
}

class Dashboard {
  model = new DashboardModel()
  #observer
  #chartsAt = -Infinity
  #lost = { lostAt: 0, reason: '' }
  #drawn = new Map()

  /** @param {HTMLElement} place @param {Observer} observer */
  constructor(place, observer) {
    this.#observer = observer
    this.since = element('p', {})
    this.stale = element('p', { class: 'stale', role: 'status' })
    this.numbers = element('dl', { class: 'numbers' })
    this.agents = new Table('Agents', ['Agent', 'Presence', 'Accepted', 'Rejected', 'Last event'])
    this.open = new Table('Open notifications', ['Age', 'Where', 'Provider', 'Session', 'Notification'])
    this.marks = new Table('KPI breaches', ['Session', 'For', 'Since'])
    this.outcomes = new Chart(KINDS.map((kind) => [kind, KIND_WORDS[kind]]))
    this.answers = new Chart([])
    this.stream = new Stream()
    place.replaceChildren(
      element(
        'section',
        { class: 'panel overview', 'aria-labelledby': 'overview-title' },
        element('header', {}, element('h2', { id: 'overview-title' }, 'Dashboard'), connectionChip(observer)),
        this.since,
        this.stale,
        this.numbers,
      ),
      panel('outcomes', 'Outcomes over time', ...this.outcomes.parts),
      panel('answer-times', 'Time to answer', ...this.answers.parts),
      panel('open', 'Open and waiting', ...this.open.parts),
      panel('agents', 'Agents', ...this.agents.parts),
      panel('marks', 'KPI breaches', ...this.marks.parts),
      panel('stream', 'Events', ...this.stream.parts),
    )
    observer.on('state', ({ state, since, reason }) => {
      if (state === 'open') this.#lost = { lostAt: 0, reason: '' }
      else if (reason) this.#lost = { lostAt: this.#lost.lostAt || since, reason }
      this.draw()
    })
    this.draw()
  }

  draw() {
    const { model } = this
    this.#drawOverview(model)
    this.#drawOpen(model)
    this.#drawAgents(model)
    this.#drawMarks(model)
    this.stream.show(model.events)
    if (performance.now() - this.#chartsAt < CHARTS_EVERY_MS) return
    this.#chartsAt = performance.now()
    this.#drawOutcomes(model)
    this.#drawAnswers(model)
  }

  #drawOverview(model) {
    const { state } = this.#observer
    const began = !Number.isNaN(model.since)
    setText(this.since, began ? sinceInWords(model) : `No data yet: ${connectionInWords(this.#observer.connection)}.`)
    setText(this.stale, state === 'open' || !began ? '' : this.#staleInWords())
    const { stats } = model
    const { p50, p99 } = stats?.notifyToResultMs ?? {}
    const numbers = [
      ['Open', stats?.open],
      ['Waiting for a desk', stats?.waiting],
      ['In breach', began ? model.marks.size : undefined],
      ['Agents', stats?.agents],
      ['Providers', stats?.providers],
      ['Notifications per second', stats?.notifiesPerSecond],
      ['Median time to outcome', p99 ? seconds(p50) : undefined],
      ['99th percentile', p99 ? seconds(p99) : undefined],
    ]
    reconcile(
      this.numbers,
      numbers,
      ([label]) => label,
      ([label]) => {
        const value = element('dd', {})
        return Object.assign(element('div', {}, element('dt', {}, label), value), {
          update: ([, is]) => setText(value, is ?? '–'),
        })
      },
    )
  }

  #staleInWords() {
    const { lostAt, reason } = this.#lost
    const why = reason && ` (${reason})`
    return `Not connected since ${time(lostAt)}${why}. The page shows the last known state.`
  }

  #drawOpen(model) {
    const all = [...model.open].map(([id, one]) => ({ id, ...one }))
    const oldest = all[0]
    const { open = all.length, waiting = all.filter(({ displayedAt }) => displayedAt === undefined).length } =
      model.stats ?? {}
    const unknown = model.unseen.open
    const longest = oldest ? `Longest waiting: ${duration(model.now() - oldest.at)}.` : ''
    if (Number.isNaN(model.since)) {
      this.open.say([UNKNOWN])
    } else {
      this.open.say([
        open ? `${open} open, ${waiting} of them waiting for a desk.` : 'Nothing is open.',
        longest,
        unknown && `${unknown} arrived before this page was opened; only their number is known.`,
      ])
    }
    this.open.show(
      all,
      ({ id }) => id,
      ({ id, at, displayedAt, providerId, sessionId }) => [
        clock(Math.floor(Math.max(0, model.now() - at) / 1_000) * 1_000),
        displayedAt === undefined ? 'waiting' : 'on desks',
        providerId,
        sessionId === id ? '' : sessionId,
        id,
      ],
    )
  }

  #drawAgents(model) {
    const all = [...model.agents]
      .map(([id, one]) => ({ id, ...one }))
      .sort((one, other) => (one.id < other.id ? -1 : 1))
    const there = model.stats?.agents ?? all.length
    const unknown = model.unseen.agents
    if (Number.isNaN(model.since) || !model.stats) {
      this.agents.say([UNKNOWN])
    } else {
      this.agents.say([
        `${there} ${there === 1 ? 'agent is' : 'agents are'} connected.`,
        unknown && `${unknown} connected before this page was opened; each gets a line with its next event.`,
      ])
    }
    this.agents.show(
      all,
      ({ id }) => id,
      ({ id, presence, accepted, rejected, lastAt }) => [id, presence ?? 'unknown', accepted, rejected, time(lastAt)],
    )
  }

  #drawMarks(model) {
    const all = [...model.marks].map(([id, one]) => ({ id, ...one }))
    const { length } = all
    if (Number.isNaN(model.since)) {
      this.marks.say([UNKNOWN])
    } else {
      const set = `${model.breaches} ${model.breaches === 1 ? 'breach' : 'breaches'} since ${time(model.since)}.`
      this.marks.say([
        length
          ? `${length} ${length === 1 ? 'session is' : 'sessions are'} in breach.`
          : 'No known session is in breach.',
        model.breaches && set,
      ])
    }
    this.marks.show(
      all,
      ({ id }) => id,
      ({ id, at }) => [id, duration(model.now() - at), time(at)],
    )
  }

  #drawOutcomes(model) {
    const minutes = model.minutes()
    const totals = Object.fromEntries(
      KINDS.map((kind) => [kind, minutes.reduce((sum, { counts }) => sum + (counts?.[kind] ?? 0), 0)]),
    )
    const said = `${outcomesInWords(model, totals)} Each bar is one minute.`
    this.#redraw(
      'outcomes',
      this.outcomes,
      said,
      () =>
        stackedBars(
          minutes.map(({ at, counts }) => ({
            label: new Date(at).getMinutes() % 10 ? '' : hourAndMinute(at),
            values: KINDS.map((kind) => counts?.[kind] ?? 0),
            title: `${time(at)}: ${countsInWords(counts ?? {})}`,
          })),
          KINDS,
          said,
          this.outcomes.width(),
        ),
      JSON.stringify(minutes),
    )
  }

  #drawAnswers(model) {
    const counts = model.distribution()
    const said = `${answersInWords(model)} Each bar counts the accepts and rejects that took this long.`
    this.#redraw(
      'answers',
      this.answers,
      said,
      () =>
        stackedBars(
          counts.map((count, n) => ({
            label: stepLabel(STEPS_MS[n]),
            values: [count],
            title: stepTitle(count, STEPS_MS[n]),
          })),
          ['accepted'],
          said,
          this.answers.width(),
        ),
      JSON.stringify(counts),
    )
  }

  /** Draws a chart where it would look different. */
  #redraw(name, chart, said, draw, data) {
    const is = `${chart.width()} ${said} ${data}`
    if (this.#drawn.get(name) === is) return
    this.#drawn.set(name, is)
    chart.show(said, draw())
  }
}

function sinceInWords(model) {
  const gaps = model.gaps.map(({ from, to }) => `${time(from)} to ${time(to)}`)
  const missing = gaps.length ? ` Missing: ${gaps.join(', ')}.` : ''
  return `Recorded since ${time(model.since)} (${duration(model.now() - model.since)}).${missing}`
}

function countsInWords(counts) {
  return listed(KINDS.filter((kind) => counts[kind]).map((kind) => `${counts[kind]} ${KIND_WORDS[kind]}`))
}

function outcomesInWords(model, totals) {
  if (Number.isNaN(model.since)) return UNKNOWN
  if (!KINDS.some((kind) => totals[kind])) return `No outcomes since ${time(model.since)}.`
  const recorded = model.now() - model.since
  const all = listed(KINDS.map((kind) => `${totals[kind]} ${KIND_WORDS[kind]}`))
  return `${all} in the last ${recorded < HOUR_MS ? duration(recorded) : 'hour'}.`
}

function answersInWords(model) {
  if (Number.isNaN(model.since)) return UNKNOWN
  const { answers, untimed } = model
  const others = untimed ? ` ${untimed} more arrived before this page was opened; their times are not known.` : ''
  if (!answers.length) return untimed ? others.trim().replace(' more', '') : `No answers since ${time(model.since)}.`
  const [half, most] = [0.5, 0.9].map((share) => seconds(model.within(share)))
  const which = answers.length === 1 ? 'the only answer' : `the last ${answers.length} answers`
  return `Of ${which}, half took at most ${half} and 90 % at most ${most}.${others}`
}

function stepLabel(ms) {
  if (ms === Infinity) return '> 2 min'
  return ms < MINUTE_MS ? `< ${ms / 1_000} s` : `< ${ms / MINUTE_MS} min`
}

function stepTitle(count, ms) {
  return ms === Infinity ? `${count} took longer` : `${count} within ${ms / 1_000} s`
}

/** On a 24-hour clock: the labels of an axis must be narrow. */
function hourAndMinute(at) {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false })
}

function panel(name, title, ...parts) {
  return element(
    'section',
    { class: `panel ${name}`, 'aria-labelledby': `${name}-title` },
    element('header', {}, element('h2', { id: `${name}-title` }, title)),
    ...parts,
  )
}

/** A sentence, and the rows behind it. */
class Table {
  constructor(name, columns) {
    this.said = element('p', { class: 'said' })
    this.rest = element('p', { class: 'small' })
    this.body = element('tbody', {})
    this.table = element(
      'table',
      { 'aria-label': name },
      element('thead', {}, element('tr', {}, ...columns.map((column) => element('th', { scope: 'col' }, column)))),
      this.body,
    )
    this.columns = columns
    this.parts = [
      this.said,
      element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': `${name}, as a table` }, this.table),
      this.rest,
    ]
  }

  /** @param {(string | number | false | undefined)[]} sentences */
  say(sentences) {
    setText(this.said, sentences.filter(Boolean).join(' '))
  }

  show(items, key, cells) {
    this.table.hidden = !items.length
    reconcile(this.body, items.slice(0, ROWS_MAX), key, () => {
      const fields = this.columns.map(() => element('td', {}))
      return Object.assign(element('tr', {}, ...fields), {
        update: (item) => cells(item).forEach((value, n) => put(fields[n], value)),
      })
    })
    setText(this.rest, items.length > ROWS_MAX ? `and ${items.length - ROWS_MAX} more` : '')
  }
}

/** Shortens long ids and keeps the whole id as the tooltip. Leaves a cell alone that is up to date. */
function put(cell, value = '') {
  const text = String(value)
  if (cell.dataset.value === text) return
  cell.dataset.value = text
  cell.replaceChildren(shortId(text))
}

/** A chart with its legend, and a sentence that says the same. */
class Chart {
  constructor(legend) {
    this.said = element('figcaption', { class: 'said' })
    this.picture = element('div', { class: 'picture' })
    const key = legend.length
      ? element(
          'ul',
          { class: 'legend' },
          ...legend.map(([name, words]) => element('li', {}, element('span', { class: `swatch ${name}` }), words)),
        )
      : null
    this.parts = [element('figure', {}, this.said, this.picture, key ?? '')]
  }

  width() {
    return Math.max(CHART_WIDTH_MIN, Math.floor(this.picture.clientWidth))
  }

  show(said, picture) {
    setText(this.said, said)
    this.picture.replaceChildren(picture)
  }
}

/** The last events, newest first. */
class Stream {
  #shown = -1
  #asked = ''
  #pressed
  #pointed = false
  /** @type {readonly any[]} */ #events = []

  constructor() {
    this.kind = element(
      'select',
      { id: 'stream-kind' },
      element('option', { value: '' }, 'all'),
      ...Object.keys(EVENT_WORDS).map((kind) => element('option', { value: kind }, kind)),
    )
    this.words = element('input', {
      id: 'stream-words',
      type: 'search',
      autocomplete: 'off',
      placeholder: 'an agent, a session, an outcome …',
    })
    this.pause = element('input', { type: 'checkbox' })
    this.said = element('span')
    this.held = element('span')
    this.list = element('ol')
    this.parts = [
      element(
        'div',
        { class: 'filter', role: 'search', 'aria-label': 'Filter the events' },
        element('div', { class: 'field' }, element('label', { for: 'stream-kind' }, 'Event'), this.kind),
        element('div', { class: 'field words' }, element('label', { for: 'stream-words' }, 'Filter'), this.words),
        element('label', { class: 'pause' }, this.pause, ' Pause'),
      ),
      element('p', { class: 'small counts' }, this.said, ' ', this.held),
      (this.log = element(
        'div',
        { role: 'log', 'aria-label': 'Event stream', 'aria-live': 'off', tabindex: 0 },
        this.list,
      )),
    ]
    // Nothing moves under the pointer. A finger counts as a pointer only while it presses.
    const again = () => this.show(this.#events)
    this.#pressed = holdWhilePressed(this.log, again)
    const point =
      (pointed) =>
      ({ pointerType }) => {
        this.#pointed = pointed && pointerType === 'mouse'
        if (!this.#pointed) again()
      }
    this.log.addEventListener('pointerenter', point(true))
    this.log.addEventListener('pointerleave', point(false))
  }

  /** @param {readonly { n: number, event: string, at: number, message: any }[]} events newest last */
  show(events) {
    this.#events = events
    if (this.#pressed()) return
    const newest = events.at(-1)?.n ?? -1
    const asked = `${this.kind.value} ${this.words.value}`
    const still = this.pause.checked || this.#pointed
    const newer = this.#shown >= 0 ? newest - this.#shown : 0
    const until = this.pause.checked ? 'while paused' : 'once the pointer is elsewhere'
    setText(this.held, still && newer > 0 ? `${newer} newer ${until}.` : '')
    if ((still || newest === this.#shown) && asked === this.#asked) return
    ;[this.#shown, this.#asked] = [newest, asked]
    const words = this.words.value.toLowerCase().split(/\s+/).filter(Boolean)
    const fitting = events.filter(({ event, message }) => {
      if (this.kind.value && event !== this.kind.value) return false
      const text = words.length ? `${JSON.stringify(message)} ${inWords(message)}`.toLowerCase() : ''
      return words.every((word) => text.includes(word))
    })
    const shown = fitting.slice(-EVENTS_SHOWN_MAX).reverse()
    setText(this.held, '')
    reconcile(this.list, shown, ({ n }) => n, line)
    const cut = fitting.length > shown.length ? `, the newest ${shown.length} shown` : ''
    const found = `${fitting.length} of the last ${events.length} events${cut}.`
    setText(this.said, events.length ? found : 'No events yet. Ring in the console, and it appears here.')
  }
}

function line({ event, at, message }) {
  return element(
    'li',
    {},
    element(
      'details',
      {
        toggle: (opened) => {
          if (opened.target.children.length === 1)
            opened.target.append(element('pre', {}, JSON.stringify(message, null, 2)))
        },
      },
      element(
        'summary',
        {},
        element('time', {}, time(at)),
        element('b', {}, event),
        element('span', {}, inWords(message)),
      ),
    ),
  )
}

function inWords({ event, agentId, providerId, sessionId, notificationId, value, breached, presence }) {
  if (event === 'settled' || event === 'cancelled') return `${brief(notificationId)} ${outcomeInWords(value, agentId)}`
  if (event === 'kpi') return `${brief(sessionId)} ${breached ? 'is in breach' : 'is no longer in breach'}`
  if (event === 'presence') return `${agentId} is ${presence}`
  if (event === 'agentJoined') return `${agentId} joined, ${presence ?? ''}`
  if (event === 'notified') return `${brief(notificationId)} from ${providerId}`
  return [agentId, providerId, notificationId && brief(notificationId), EVENT_WORDS[event]].filter(Boolean).join(' ')
}

function brief(id = '') {
  return id.length > 20 ? `…${id.slice(-8)}` : id
}

function time(ms) {
  return Number.isNaN(ms) ? '–' : new Date(ms).toLocaleTimeString()
}

function duration(ms) {
  const whole = Math.max(0, Math.floor(ms / 1_000))
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3_600)} h ${Math.floor(whole / 60) % 60} min`
}

function seconds(ms) {
  return `${(ms / 1_000).toFixed(1)} s`
}

function listed(words) {
  return new Intl.ListFormat('en-GB').format(words)
}
