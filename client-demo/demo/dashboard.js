// What a supervisor looks at: who is there, what is open, how calls end and how fast, as an observer sees it.

import { Observer } from '/sdk/deskbell.js'
import { stackedBars } from './charts.js'
import { clock, connectionState, element, reconcile, setText, shortId } from './dom.js'
import { Floor, KINDS, STEPS_MS } from './floor.js'
import { holdWhilePressed } from './steady.js'
import { connectionInWords, outcomeInWords } from './words.js'

/** No more often than this, however much happens. */
const DRAW_EVERY_MS = 300
const CHARTS_EVERY_MS = 1_000
const ROWS_MAX = 30
const EVENTS_SHOWN_MAX = 100
const CHART_WIDTH_MIN = 240
const UNKNOWN = 'Not known: the hub has told nothing yet.'
const KIND_WORDS = { accepted: 'accepted', rejected: 'rejected', timedOut: 'timed out', cancelled: 'cancelled' }
const EVENT_WORDS = {
  notified: 'rings',
  displayed: 'is displayed',
  settled: 'is settled',
  cancelled: 'is cancelled',
  kpi: 'KPI',
  presence: 'presence',
  agentJoined: 'agent came',
  agentLeft: 'agent left',
  providerJoined: 'provider came',
  providerLeft: 'provider left',
}

/**
 * Puts the dashboard into `place`.
 * @param {HTMLElement} place
 * @param {{ token?: string }} options
 */
export function mountDashboard(place, { token }) {
  const observer = new Observer('/ws', { token })
  const dashboard = new Dashboard(place, observer)
  observer.on('welcome', (welcome) => dashboard.floor.welcomed(welcome))
  observer.on('event', (event) => dashboard.floor.happened(event))
  observer.on('stats', (stats) => dashboard.floor.counted(stats))
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
  floor = new Floor()
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
    this.agents = new Table('Agents', ['Agent', 'Presence', 'Accepted', 'Rejected', 'Last heard of'])
    this.open = new Table('Open notifications', ['Age', 'Where', 'Provider', 'Session', 'Notification'])
    this.marks = new Table('KPI breaches', ['Session', 'For', 'Since'])
    this.outcomes = new Chart(KINDS.map((kind) => [kind, KIND_WORDS[kind]]))
    this.answers = new Chart([])
    this.stream = new Stream()
    place.replaceChildren(
      element(
        'section',
        { class: 'panel overview', 'aria-labelledby': 'overview-title' },
        element('header', {}, element('h2', { id: 'overview-title' }, 'Dashboard'), connectionState(observer)),
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
    const { floor } = this
    this.#drawOverview(floor)
    this.#drawOpen(floor)
    this.#drawAgents(floor)
    this.#drawMarks(floor)
    this.stream.show(floor.events)
    if (performance.now() - this.#chartsAt < CHARTS_EVERY_MS) return
    this.#chartsAt = performance.now()
    this.#drawOutcomes(floor)
    this.#drawAnswers(floor)
  }

  #drawOverview(floor) {
    const { state } = this.#observer
    const gaps = floor.gaps.map(({ from, to }) => `${time(from)} to ${time(to)}`)
    setText(
      this.since,
      Number.isNaN(floor.since)
        ? `Nothing is known yet: ${connectionInWords(this.#observer.connection)}.`
        : `Seen since ${time(floor.since)}, for ${duration(floor.now() - floor.since)}. An observer is told only what happens while it is there${gaps.length ? `; not seen: ${gaps.join(', ')}` : ''}.`,
    )
    const { lostAt, reason } = this.#lost
    setText(
      this.stale,
      state === 'open' || Number.isNaN(floor.since)
        ? ''
        : `Not connected since ${new Date(lostAt).toLocaleTimeString()}${reason ? ` (${reason})` : ''}: what stands here is as old as that.`,
    )
    const { stats } = floor
    const { p50, p99 } = stats?.notifyToResultMs ?? {}
    const numbers = [
      ['Open', stats?.open],
      ['Waiting for a desk', stats?.waiting],
      ['In breach', Number.isNaN(floor.since) ? undefined : floor.marks.size],
      ['Agents', stats?.agents],
      ['Providers', stats?.providers],
      ['Rings per second', stats?.notifiesPerSecond],
      ['Half settled within', p99 ? seconds(p50) : undefined],
      ['99 of 100 within', p99 ? seconds(p99) : undefined],
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

  #drawOpen(floor) {
    const all = [...floor.open].map(([id, one]) => ({ id, ...one }))
    const oldest = all[0]
    const { open = all.length, waiting = all.filter(({ displayedAt }) => displayedAt === undefined).length } =
      floor.stats ?? {}
    const unknown = floor.unseen.open
    if (Number.isNaN(floor.since)) this.open.say([UNKNOWN])
    else
      this.open.say([
        open ? `${open} open, ${waiting} of them waiting for a desk.` : 'Nothing is open.',
        oldest && `The oldest that this page has seen come rings for ${duration(floor.now() - oldest.at)}.`,
        unknown && `${unknown} came before this page did, and ${unknown === 1 ? 'is' : 'are'} only counted.`,
      ])
    this.open.show(
      all,
      ({ id }) => id,
      ({ id, at, displayedAt, providerId, sessionId }) => [
        clock(Math.floor(Math.max(0, floor.now() - at) / 1_000) * 1_000),
        displayedAt === undefined ? 'waiting' : 'on desks',
        providerId,
        sessionId === id ? '' : sessionId,
        id,
      ],
    )
  }

  #drawAgents(floor) {
    const all = [...floor.agents]
      .map(([id, one]) => ({ id, ...one }))
      .sort((one, other) => (one.id < other.id ? -1 : 1))
    const there = floor.stats?.agents ?? all.length
    const unknown = floor.unseen.agents
    if (Number.isNaN(floor.since) || !floor.stats) this.agents.say([UNKNOWN])
    else
      this.agents.say([
        `${there} ${there === 1 ? 'agent is' : 'agents are'} connected.`,
        unknown &&
          `${unknown} came before this page did, and ${unknown === 1 ? 'gets a line' : 'get a line each'} with the first thing that ${unknown === 1 ? 'it does' : 'they do'}.`,
      ])
    this.agents.show(
      all,
      ({ id }) => id,
      ({ id, presence, accepted, rejected, lastAt }) => [
        id,
        presence ?? 'not heard yet',
        accepted,
        rejected,
        time(lastAt),
      ],
    )
  }

  #drawMarks(floor) {
    const all = [...floor.marks].map(([id, one]) => ({ id, ...one }))
    if (Number.isNaN(floor.since)) this.marks.say([UNKNOWN])
    else
      this.marks.say([
        all.length
          ? `${all.length} ${all.length === 1 ? 'session is' : 'sessions are'} in breach.`
          : 'No session that this page knows of is in breach.',
        floor.breaches &&
          `${floor.breaches} ${floor.breaches === 1 ? 'mark was' : 'marks were'} set since ${time(floor.since)}.`,
      ])
    this.marks.show(
      all,
      ({ id }) => id,
      ({ id, at }) => [id, duration(floor.now() - at), time(at)],
    )
  }

  #drawOutcomes(floor) {
    const minutes = floor.minutes()
    const totals = Object.fromEntries(
      KINDS.map((kind) => [kind, minutes.reduce((sum, { counts }) => sum + (counts?.[kind] ?? 0), 0)]),
    )
    const some = KINDS.some((kind) => totals[kind])
    const said = some
      ? `${listed(KINDS.map((kind) => `${totals[kind]} ${KIND_WORDS[kind]}`))} in the last hour${floor.now() - floor.since < 3_600_000 ? `, of which ${duration(floor.now() - floor.since)} were seen` : ''}. Each bar is a minute.`
      : `${Number.isNaN(floor.since) ? UNKNOWN : `No call has ended since ${time(floor.since)}.`} Each bar will be a minute.`
    this.#redraw(
      'outcomes',
      this.outcomes,
      said,
      () =>
        stackedBars(
          minutes.map(({ at, counts }) => ({
            label:
              new Date(at).getMinutes() % 10
                ? ''
                : new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false }),
            values: KINDS.map((kind) => counts?.[kind] ?? 0),
            title: `${new Date(at).toLocaleTimeString()}: ${KINDS.filter((kind) => counts?.[kind])
              .map((kind) => `${counts[kind]} ${KIND_WORDS[kind]}`)
              .join(', ')}`,
          })),
          KINDS,
          said,
          this.outcomes.width(),
        ),
      JSON.stringify(minutes),
    )
  }

  #drawAnswers(floor) {
    const counts = floor.distribution()
    const {
      answers: { length },
      untimed,
    } = floor
    const others =
      untimed &&
      `${untimed} more ${untimed === 1 ? 'answer was' : 'answers were'} to calls that had begun before this page did: how long ${untimed === 1 ? 'it' : 'they'} took is not known.`
    const none = Number.isNaN(floor.since)
      ? UNKNOWN
      : untimed
        ? others.replace(' more', '')
        : `No agent has answered since ${time(floor.since)}.`
    const said = length
      ? `Half of the ${length === 1 ? 'one answer' : `last ${length} answers`} came within ${seconds(floor.within(0.5))}, nine of ten within ${seconds(floor.within(0.9))}. Each bar counts the accepts and rejects that took so long.${others ? ` ${others}` : ''}`
      : `${none} Each bar will count the accepts and rejects that took so long.`
    this.#redraw(
      'answers',
      this.answers,
      said,
      () =>
        stackedBars(
          counts.map((count, n) => ({
            label:
              STEPS_MS[n] === Infinity
                ? '> 2 min'
                : `< ${STEPS_MS[n] < 60_000 ? `${STEPS_MS[n] / 1_000} s` : `${STEPS_MS[n] / 60_000} min`}`,
            values: [count],
            title: `${count} ${STEPS_MS[n] === Infinity ? 'took longer' : `within ${STEPS_MS[n] / 1_000} s`}`,
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

/** Long ids shortened, the whole as the tooltip; touched only where it differs. */
function put(cell, value = '') {
  const text = String(value)
  if (cell.dataset.value === text) return
  cell.dataset.value = text
  cell.replaceChildren(shortId(text))
}

/** A picture, what it means in a sentence, and its colours. */
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
        element(
          'div',
          { class: 'field words' },
          element('label', { for: 'stream-words' }, 'With these words'),
          this.words,
        ),
        element('label', { class: 'pause' }, this.pause, ' Pause'),
      ),
      element('p', { class: 'small counts' }, this.said, ' ', this.held),
      (this.log = element(
        'div',
        { role: 'log', 'aria-label': 'Event stream', 'aria-live': 'off', tabindex: 0 },
        this.list,
      )),
    ]
    // What somebody points at stays where it is; a finger points as long as it presses.
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
    setText(
      this.held,
      still && newest > this.#shown && this.#shown >= 0
        ? `${newest - this.#shown} newer ${this.pause.checked ? 'while paused' : 'once the pointer is elsewhere'}.`
        : '',
    )
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
    setText(
      this.said,
      events.length
        ? `${fitting.length} of the last ${events.length} events${fitting.length > shown.length ? `, the newest ${shown.length} shown` : ''}.`
        : 'No event yet. Ring at the console, and it shows here.',
    )
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
  if (event === 'agentJoined') return `${agentId} came, ${presence ?? ''}`
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
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
