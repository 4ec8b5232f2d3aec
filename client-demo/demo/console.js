// The provider's side: a form that rings, and what became of each call.

import { install, Provider } from '/sdk/deskbell.js'
import { connectionState, element, reconcile, setText } from './dom.js'
import { keep, kept, lines, providerName, uuid } from './store.js'
import { outcomeInWords, reachInWords } from './words.js'

const CALLS_MAX = 20
/** How long after the welcome the outcomes of before may take. */
const RESUME_MS = 5_000
const TEMPLATES = [
  ['msdyn_chat_incoming_unauthenticated', 'Chat, a visitor'],
  ['msdyn_chat_incoming_authenticated', 'Chat, signed in'],
  ['msdyn_sms_incoming_unauthenticated', 'Text message'],
  ['msdyn_call_incoming', 'Phone call'],
]

/**
 * Puts a provider's console into `place`.
 * @param {HTMLElement} place
 * @param {{ token?: string, onMessage?: (who: string, event: any) => void }} options with a token, that says who it is
 */
export function mountConsole(place, { token, onMessage }) {
  const providerId = providerName()
  const provider = new Provider('/ws', token ? { token, resume: true } : { providerId, resume: true })
  new Console(place, provider, providerId)
  provider.on('message', (event) => onMessage?.('provider', event))
  install(provider).catch(() => {})
  return provider
}

/**
 * @typedef {object} Ring one call, as this page knows it
 * @property {string} id
 * @property {string} label
 * @property {string} [token]
 * @property {string} [sessionId]
 * @property {'sending' | 'ringing' | 'settled' | 'failed' | 'ended'} state
 * @property {any} [result]
 * @property {string} [fault]
 * @property {boolean} [breached]
 * @property {number} [unread]
 */

class Console {
  /** @type {Ring[]} newest first */ #rings = kept('deskbell.rings', () => [])
  /** ids that another load of this page left without an outcome */
  #earlier = this.#rings.filter(({ state }) => state === 'ringing' || state === 'sending').map(({ id }) => id)
  #provider

  constructor(place, provider, name) {
    this.#provider = provider
    this.calls = element('ul', { class: 'calls', 'aria-label': 'Calls' })
    this.said = element('p', { class: 'unseen', role: 'status', 'aria-label': 'News' })
    place.replaceChildren(element('section', { class: 'panel console', 'aria-labelledby': 'console-title' },
      element('header', {},
        element('h2', { id: 'console-title' }, 'Provider'),
        element('span', { class: 'small' }, name),
        connectionState(provider)),
      this.#form(),
      element('h3', {}, 'Calls'), this.calls, element('p', { class: 'empty' }, 'No calls yet.'),
      this.said))
    provider.on('welcome', (welcome) => this.#welcomed(welcome))
    provider.on('ack', ({ id }) => this.#change(id, { state: 'ringing' }))
    provider.on('result', (result) => this.#settled(result))
    this.#show()
  }

  #form() {
    const field = (name, label, control) => {
      Object.assign(control, { name, id: `console-${name}` })
      return element('div', { class: 'field' }, element('label', { for: control.id }, label), control)
    }
    const text = (value = '', placeholder) => element('input', { type: 'text', value, placeholder, autocomplete: 'off' })
    const choice = (options) => element('select', {}, ...options.map(([value, label]) => element('option', { value }, label)))
    const form = element('form', { submit: (event) => { event.preventDefault(); this.#ring(new FormData(form)) } },
      element('div', { class: 'fields' },
        field('template', 'Template', choice(TEMPLATES)),
        field('customer', 'Customer', text('Grace Hopper')),
        field('to', 'For', choice([['', 'everyone'], ['ada', 'ada only'], ['bob', 'bob only']]))),
      element('button', { class: 'ring', type: 'submit' }, 'Ring'),
      element('details', { class: 'more' }, element('summary', {}, 'More fields'),
        element('div', { class: 'fields' },
          field('templateName', 'Another template, by name', text()),
          field('parameters', 'More parameters, a name=value on each line', element('textarea', { rows: 2 })),
          field('group', 'For a group', text()),
          field('sessionId', 'Session', text('', 'by default the notification\u2019s id')),
          field('token', 'Cancellation token', text('', 'by default a random one')),
          field('correlationId', 'Correlation (a GUID)', text()))))
    return form
  }

  /** @param {FormData} data */
  #ring(data) {
    const value = (name) => String(data.get(name) ?? '').trim() || undefined
    const id = uuid()
    const customer = value('customer')
    const token = value('token') ?? `token-${id}`
    const to = { agents: value('to') && [value('to')], groups: value('group') && [value('group')] }
    const parameters = lines(value('parameters'))
    if (customer) parameters.customerName = customer
    this.#add({ id, label: customer ?? 'A customer', token, state: 'sending' })
    this.#provider.notify({
      id,
      templateName: value('templateName') ?? value('template'),
      templateParameters: parameters,
      cancellationToken: token,
      sessionId: value('sessionId'),
      to: to.agents || to.groups ? to : undefined,
      correlationId: value('correlationId'),
    }).catch((error) => this.#failed(id, error))
  }

  #welcomed({ open }) {
    const known = new Set(this.#rings.map((one) => one.id))
    for (const { id, cancellationToken } of open) {
      if (id && !known.has(id)) this.#add({ id, label: 'An earlier call', token: cancellationToken, state: 'ringing' })
    }
    const held = new Set(open.map((one) => one.id))
    const doubtful = this.#earlier.filter((id) => !held.has(id))
    this.#earlier = []
    setTimeout(() => this.#forget(doubtful), RESUME_MS)
  }

  /** What rang before a reload, and is neither open nor among the outcomes that came: the hub lost it, or forgot it. */
  #forget(ids) {
    for (const { id, result } of this.#rings) {
      if (ids.includes(id) && !result) this.#change(id, { state: 'failed', fault: 'The hub no longer knows of this call.' })
    }
  }

  #settled(result) {
    const { id, value, agentId, sessionId } = result
    if (!this.#rings.some((one) => one.id === id)) this.#add({ id, label: 'An earlier call', state: 'ringing' })
    const ring = this.#rings.find((one) => one.id === id)
    // Outcomes of the past come again after a reload; what happened since is not undone by that.
    if (ring?.result) return
    this.#change(id, { state: 'settled', result, sessionId })
    setText(this.said, `${ring?.label}: ${outcomeInWords(value, agentId)}`)
  }

  #failed(id, error) {
    this.#change(id, { state: 'failed', fault: `${error.message}: ${error.detail}` })
    setText(this.said, `Not rung: ${error.detail}`)
  }

  /** @param {Ring} ring */
  #add(ring) {
    this.#rings = [ring, ...this.#rings].slice(0, CALLS_MAX)
    this.#show()
  }

  #change(id, what) {
    this.#rings = this.#rings.map((one) => (one.id === id ? { ...one, ...what } : one))
    this.#show()
  }

  #show() {
    keep('deskbell.rings', this.#rings)
    reconcile(this.calls, this.#rings, (one) => one.id, (one) => this.#row(one))
  }

  #row(ring) {
    const badge = element('span', { class: 'badge' })
    const reach = element('p', { class: 'small' })
    const fault = element('p', { class: 'fault', role: 'alert' })
    const details = element('input', { type: 'text', value: 'first response > 60 s', 'aria-label': 'KPI details' })
    const button = (label, act) => element('button', { type: 'button', class: 'quiet', click: () => this.#act(row.current, act, fault) }, label)
    const cancel = button('Cancel', () => this.#provider.cancel(row.current.token))
    const breach = button('Breach KPI', () => this.#kpi(row.current, true, details.value))
    const clear = button('Clear KPI', () => this.#kpi(row.current, false))
    const unread = button('New message', () => this.#unread(row.current))
    const end = button('End session', () => this.#end(row.current))
    const session = element('div', { class: 'actions' }, details, breach, clear, unread, end)
    const row = element('li', {},
      element('article', { 'aria-label': ring.label },
        element('header', {}, element('h4', {}, ring.label), badge, cancel),
        reach, fault, session))
    row.update = (current) => {
      row.current = current
      const { state, result, breached } = current
      badge.dataset.state = state
      badge.dataset.action = result?.value.actionName ?? ''
      setText(badge, inWords(current))
      setText(reach, result ? `${reachInWords(result.reach)} · after ${(result.elapsedMs / 1_000).toFixed(1)} s${result.declineReason ? ` · “${result.declineReason}”` : ''}` : '')
      if (current.fault) setText(fault, current.fault)
      cancel.hidden = state !== 'ringing' || !current.token
      session.hidden = state !== 'settled' || !current.sessionId
      details.hidden = breach.hidden = Boolean(breached)
      clear.hidden = !breached
    }
    return row
  }

  async #act(ring, act, fault) {
    setText(fault, '')
    await act().catch((error) => setText(fault, `${error.message}: ${error.detail}`))
  }

  async #kpi({ id, sessionId }, breached, details) {
    await this.#provider.kpi(sessionId, !breached, details)
    this.#change(id, { breached })
  }

  async #unread({ id, sessionId, unread = 0 }) {
    await this.#provider.activity(sessionId, unread + 1)
    this.#change(id, { unread: unread + 1 })
  }

  async #end({ id, sessionId }) {
    await this.#provider.endSession(sessionId)
    this.#change(id, { state: 'ended' })
  }
}

function inWords({ state, result }) {
  if (state === 'sending') return 'sending …'
  if (state === 'ringing') return 'ringing …'
  if (state === 'failed') return 'no outcome'
  const words = outcomeInWords(result.value, result.agentId)
  return state === 'ended' ? `${words}, ended` : words
}
