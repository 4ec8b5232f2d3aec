// The live table of calls: the outcome of each, the agents it reached, how long it took, and the actions on it.

import { element, reconcile, setText } from '../sdk/desk/dom.js'
import { guardClicks, holdWhilePressed } from '../sdk/desk/click-guard.js'
import { outcomeInWords, reachInWords } from './outcome-text.js'

/**
 * @typedef {object} Call one call, as this page knows it
 * @property {string} id
 * @property {number} at when it was made, by this page's clock
 * @property {string} label
 * @property {string} [templateName]
 * @property {string} [token]
 * @property {string} [sessionId]
 * @property {'sending' | 'ringing' | 'settled' | 'failed' | 'ended'} state
 * @property {any} [result]
 * @property {string} [fault]
 * @property {boolean} [breached]
 * @property {number} [unread]
 */

const COLUMNS = ['Time', 'Call', 'Outcome', 'Reach', 'Took', 'Actions']

export class CallsTable {
  #act
  /** @type {readonly Call[]} */ #calls = []
  /** @type {Set<string>} ids of the calls whose session is not as sessions are at first */ #toggled = new Set()
  #opened
  #held
  #noteClicks

  /**
   * @param {{ cancel(call: Call): Promise<any>, kpi(call: Call, breached: boolean, details?: string): Promise<any>,
   *   unread(call: Call): Promise<any>, end(call: Call): Promise<any> }} act
   * @param {boolean} [opened] whether what can be done with a session is shown without being asked for
   */
  constructor(act, opened = false) {
    this.#act = act
    this.#opened = opened
    this.empty = element(
      'p',
      { class: 'empty' },
      'No calls yet. Press Ring and answer at a desk: calls and their outcomes appear here.',
    )
    this.sum = element('p', { class: 'small' })
    // Explicit roles: in the narrow layout the CSS makes the browser drop those of a table.
    this.table = element(
      'table',
      { class: 'calls-table', role: 'table', 'aria-label': 'Calls' },
      element(
        'thead',
        { role: 'rowgroup' },
        element(
          'tr',
          { role: 'row' },
          ...COLUMNS.map((title) => element('th', { role: 'columnheader', scope: 'col' }, title)),
        ),
      ),
      element('tbody', { role: 'rowgroup' }),
    )
    this.refused = element('p', { class: 'fault', role: 'alert' })
    this.element = element('div', { class: 'calls-box' }, this.sum, this.table, this.empty, this.refused)
    this.#held = holdWhilePressed(this.table, () => this.show(this.#calls))
    this.#noteClicks = guardClicks(this.table, 'tr', () =>
      setText(this.refused, 'That had just moved: nothing was pressed. Press again.'),
    )
    // Only of clicks that the guard lets through.
    this.table.addEventListener('click', () => setText(this.refused, ''))
  }

  /** @param {readonly Call[]} calls newest first */
  show(calls) {
    this.#calls = calls
    if (this.#held()) return
    this.table.hidden = !calls.length
    this.empty.hidden = calls.length > 0
    setText(this.sum, calls.length ? summary(calls) : '')
    const rows = calls.flatMap((call) => {
      const own = { call, key: call.id, build: row }
      return this.isOpen(call) ? [own, { call, key: `${call.id} session`, build: sessionRow }] : [own]
    })
    reconcile(
      this.table.tBodies[0],
      rows,
      ({ key }) => key,
      ({ build }) => build.call(this),
    )
    this.tick()
  }

  /** Updates everything that depends on the time. Call it at least every 150 ms. */
  tick() {
    this.#noteClicks()
    for (const one of this.table.querySelectorAll('[data-since]'))
      setText(one, took(Date.now() - Number(one.dataset.since)))
  }

  /** @param {Call} call */
  toggle({ id }) {
    if (!this.#toggled.delete(id)) this.#toggled.add(id)
    this.show(this.#calls)
  }

  /** @param {Call} call */
  isOpen({ id, state, sessionId }) {
    return this.#toggled.has(id) !== this.#opened && state === 'settled' && sessionId !== undefined
  }

  /** A button for an action, which shows the error beside itself. */
  button(label, act, fault, current) {
    return element(
      'button',
      {
        type: 'button',
        class: 'quiet',
        click: async () => {
          setText(fault, '')
          try {
            await act(current())
          } catch (error) {
            setText(fault, error.detail ?? String(error))
          }
        },
      },
      label,
    )
  }

  get act() {
    return this.#act
  }
}

/** @this {CallsTable} */
function row() {
  const time = element('time', {})
  const label = element('span', { class: 'title' })
  const template = element('span', { class: 'small' })
  const badge = element('span', { class: 'badge' })
  const reason = element('span', { class: 'small' })
  const fault = element('span', { class: 'fault', role: 'alert' })
  const reach = element('span', {})
  const spent = element('span', { class: 'number' })
  const current = () => node.current
  const cancel = this.button('Cancel', this.act.cancel, fault, current)
  const session = element(
    'button',
    { type: 'button', class: 'quiet', click: () => this.toggle(node.current) },
    'Session',
  )
  const cells = [
    [time],
    [label, template],
    [badge, reason, fault],
    [reach],
    [spent],
    [element('span', { class: 'actions' }, cancel, session)],
  ]
  const node = element(
    'tr',
    { role: 'row' },
    ...cells.map((children, n) => element('td', { role: 'cell', 'data-title': COLUMNS[n] }, ...children)),
  )
  node.update = ({ call }) => {
    node.current = call
    const { state, result, templateName } = call
    node.dataset.state = state
    time.dateTime = new Date(call.at).toISOString()
    setText(time, new Date(call.at).toLocaleTimeString())
    setText(label, call.label)
    setText(template, templateName ?? '')
    badge.dataset.state = state
    badge.dataset.action = result?.value.actionName ?? ''
    setText(badge, inWords(call))
    setText(reason, result?.declineReason ? `“${result.declineReason}”` : '')
    if (call.fault) setText(fault, call.fault)
    setText(reach, result ? reachInWords(result.reach) : '')
    if (state === 'ringing' || state === 'sending') spent.dataset.since = String(call.at)
    else {
      delete spent.dataset.since
      setText(spent, result ? took(result.elapsedMs) : '')
    }
    cancel.hidden = state !== 'ringing' || !call.token
    session.hidden = state !== 'settled' || !call.sessionId
    session.setAttribute('aria-expanded', String(this.isOpen(call)))
    session.setAttribute('aria-label', `Session of ${call.label}`)
    cancel.setAttribute('aria-label', `Cancel ${call.label}`)
  }
  return node
}

/** @this {CallsTable} */
function sessionRow() {
  const fault = element('span', { class: 'fault', role: 'alert' })
  const id = element('span', { class: 'small' })
  const details = element('input', { type: 'text', value: 'first response > 60 s', 'aria-label': 'KPI details' })
  const current = () => node.current
  const button = (label, act) => this.button(label, act, fault, current)
  const breach = button('Breach KPI', (call) => this.act.kpi(call, true, details.value))
  // Always present: a button that comes and goes would move the others. Resetting a mark that is not set is no error.
  const clear = button('Reset KPI', (call) => this.act.kpi(call, false))
  const unread = button('New activity', this.act.unread)
  const end = button('End session', this.act.end)
  const mark = element('span', { class: 'mark', role: 'img', 'aria-label': 'in breach' }, '!')
  const group = element(
    'div',
    { class: 'session-tools', role: 'group' },
    element('span', { class: 'session-name' }, mark, id),
    details,
    breach,
    clear,
    unread,
    end,
    fault,
  )
  const node = element(
    'tr',
    { role: 'row', class: 'session-row' },
    element('td', { role: 'cell', colspan: COLUMNS.length }, group),
  )
  node.update = ({ call }) => {
    node.current = call
    mark.hidden = !call.breached
    const unread = call.unread ? `, ${call.unread} unread` : ''
    setText(id, `Session ${call.sessionId}${unread}`)
    group.setAttribute('aria-label', `Session of ${call.label}`)
  }
  return node
}

function summary(calls) {
  const count = (test) => calls.filter(test).length
  const parts = [
    [count(({ state }) => state === 'ringing' || state === 'sending'), 'ringing'],
    [count(({ result }) => result?.value.actionName === 'Accept'), 'accepted'],
    [count(({ result }) => result?.value.actionName === 'Reject'), 'rejected'],
    [count(({ result }) => result?.value.actionName === 'Timeout'), 'timed out'],
    [count(({ result }) => result?.value.actionName === 'Cancel'), 'cancelled'],
    [count(({ state }) => state === 'failed'), 'without an outcome'],
  ]
    .filter(([n]) => n)
    .map(([n, what]) => `${n} ${what}`)
  const which = calls.length === 1 ? 'call' : `${calls.length} calls`
  return `The last ${which}: ${parts.join(', ')}.`
}

function inWords({ state, result }) {
  if (state === 'sending') return 'sending …'
  if (state === 'ringing') return 'ringing …'
  if (state === 'failed') return 'no outcome'
  const words = outcomeInWords(result.value, result.agentId)
  return state === 'ended' ? `${words}, ended` : words
}

function took(ms) {
  return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`
}
