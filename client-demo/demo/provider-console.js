// The provider's console: a form that rings, the same call as code, and the outcome of each call.

import { install, Provider } from '../sdk/deskbell.js'
import { NotifyForm } from './notify-form.js'
import { CallsTable } from './calls-table.js'
import { connectionChip } from './connection-chip.js'
import { asJavaScript, asWire } from './code-sample.js'
import { element, setText } from '../sdk/desk/dom.js'
import { keep, kept, providerName } from './tab-storage.js'
import { outcomeInWords } from './outcome-text.js'

const CALLS_MAX = 100
/** How long after the welcome earlier outcomes may still arrive. */
const RESUME_MS = 5_000
const COPIED_MS = 2_000
const TICK_MS = 125

/**
 * Puts the console into `place`.
 * @param {HTMLElement} place
 * @param {{ token?: string | (() => Promise<string>), playground?: boolean, onMessage?: (who: string, event: any) =>
 *   void }} options with a token, that says who it is; in the playground it is short, and `Microsoft.CIFramework` rings
 *   through it
 */
export function mountProviderConsole(place, { token, playground = false, onMessage }) {
  const providerId = providerName()
  const provider = new Provider('ws', token ? { token, resume: true } : { providerId, resume: true })
  const caller = new ProviderConsole(place, provider, token, playground)
  provider.on('message', (event) => onMessage?.('provider', event))
  const stop = new AbortController()
  const offer = () => caller.offerTemplates(token)
  provider.on('welcome', offer)
  // The templates may have changed meanwhile.
  window.addEventListener('focus', offer, { signal: stop.signal })
  const clock = setInterval(() => caller.tick(), TICK_MS)
  provider.on('close', () => {
    stop.abort()
    clearInterval(clock)
  })
  if (playground) install(provider).catch(() => {})
  return provider
}

class ProviderConsole {
  /** @type {import('./calls-table.js').Call[]} newest first */ #calls = kept('deskbell.calls', () => [])
  /** ids of calls without an outcome from before a reload of this page */
  #earlier = this.#calls.filter(({ state }) => state === 'ringing' || state === 'sending').map(({ id }) => id)
  #provider
  #token

  constructor(place, provider, token, playground) {
    this.#provider = provider
    this.#token = Boolean(token)
    this.said = element('p', { class: 'unseen', role: 'status', 'aria-label': 'News' })
    this.code = element('code', {})
    this.wire = element('code', {})
    this.meant = element('p', { class: 'small' })
    this.table = new CallsTable(
      {
        cancel: (call) =>
          this.#say({ type: 'cancel', cancellationToken: call.token }, () => provider.cancel(call.token)),
        kpi: (call, breached, details) => this.#kpi(call, breached, details),
        unread: (call) => this.#unread(call),
        end: (call) => this.#end(call),
      },
      playground,
    )
    this.form = new NotifyForm({
      ring: (message, label) => this.#ring(message, label),
      changed: (message) => this.#show(message, 'What Ring would send now.'),
    })
    const header = element(
      'header',
      {},
      element('h2', { id: 'console-title' }, 'Provider'),
      (this.name = element('span', { class: 'small' })),
      connectionChip(provider),
    )
    const code = element(
      'section',
      { class: 'same-call', 'aria-labelledby': 'code-title' },
      element('h3', { id: 'code-title' }, 'The same call'),
      this.meant,
      listing('JavaScript', this.code),
      listing('JSON on the wire', this.wire),
    )
    const panel = (title, ...parts) => element('section', { class: 'panel caller', 'aria-labelledby': title }, ...parts)
    place.replaceChildren(
      ...(playground
        ? [panel('console-title', header, this.form.element, element('h3', {}, 'Calls'), this.table.element, this.said)]
        : [
            panel(
              'console-title',
              header,
              element('div', { class: 'caller-columns' }, this.form.element, code),
              this.said,
            ),
            panel(
              'calls-title',
              element('header', {}, element('h2', { id: 'calls-title' }, 'Calls')),
              this.table.element,
            ),
          ]),
    )
    provider.on('welcome', (welcome) => this.#welcomed(welcome))
    provider.on('ack', ({ id }) => this.#change(id, { state: 'ringing' }))
    provider.on('result', (result) => this.#settled(result))
    this.table.show(this.#calls)
  }

  tick() {
    this.table.tick()
  }

  async offerTemplates(token) {
    try {
      const given = typeof token === 'function' ? await token() : token
      const answer = await fetch('templates', { headers: given ? { authorization: `Bearer ${given}` } : {} })
      if (!answer.ok) throw new Error((await answer.text()).trim())
      this.form.offer((await answer.json()).templates)
    } catch (error) {
      this.form.unavailable(error instanceof Error ? error.message : String(error))
    }
  }

  #ring(message, label) {
    const { id, templateName, cancellationToken } = message
    this.#calls = [
      { id, at: Date.now(), label, templateName, token: cancellationToken, state: 'sending' },
      ...this.#calls,
    ].slice(0, CALLS_MAX)
    this.#changed()
    this.#provider.notify(message).catch((error) => {
      this.#change(id, { state: 'failed', fault: `${error.message}: ${error.detail}` })
      setText(this.said, `Not rung: ${error.detail}`)
    })
  }

  /** Makes a call of a row, and shows it as code. */
  #say(message, call) {
    this.#show(message, 'What was sent last.')
    return call()
  }

  async #kpi({ id, sessionId }, breached, details) {
    const message = breached
      ? { type: 'kpi', sessionId, shouldReset: false, details }
      : { type: 'kpi', sessionId, shouldReset: true }
    await this.#say(message, () => this.#provider.kpi(sessionId, !breached, breached ? details : undefined))
    this.#change(id, { breached })
  }

  async #unread({ id, sessionId, unread = 0 }) {
    const count = unread + 1
    await this.#say({ type: 'activity', sessionId, count }, () => this.#provider.activity(sessionId, count))
    this.#change(id, { unread: count })
  }

  async #end({ id, sessionId }) {
    await this.#say({ type: 'endSession', sessionId }, () => this.#provider.endSession(sessionId))
    this.#change(id, { state: 'ended' })
  }

  #welcomed({ open, providerId }) {
    setText(this.name, providerId)
    const known = new Set(this.#calls.map((one) => one.id))
    for (const { id, cancellationToken } of open) {
      if (id && !known.has(id))
        this.#add({ id, at: Date.now(), label: 'An earlier call', token: cancellationToken, state: 'ringing' })
    }
    // The page may have been reloaded after the hub took a call, but before this page received the ack.
    const acked = this.#calls.filter((one) => one.state === 'sending' && open.some(({ id }) => id === one.id))
    for (const { id } of acked) this.#change(id, { state: 'ringing' })
    const held = new Set(open.map((one) => one.id))
    const doubtful = this.#earlier.filter((id) => !held.has(id))
    this.#earlier = []
    setTimeout(() => this.#forget(doubtful), RESUME_MS)
  }

  /** Calls from before a reload that are neither open nor settled: the hub has lost or forgotten them. */
  #forget(ids) {
    for (const { id, result } of this.#calls) {
      if (ids.includes(id) && !result)
        this.#change(id, { state: 'failed', fault: 'The hub no longer knows of this call.' })
    }
  }

  #settled(result) {
    const { id, value, agentId, sessionId, elapsedMs } = result
    if (!this.#calls.some((one) => one.id === id))
      this.#add({ id, at: Date.now() - elapsedMs, label: 'An earlier call', state: 'ringing' })
    const call = this.#calls.find((one) => one.id === id)
    // After a reload earlier outcomes arrive again. They must not undo later changes.
    if (!call || call.result) return
    this.#change(id, { state: 'settled', result, sessionId })
    setText(this.said, `${call.label}: ${outcomeInWords(value, agentId)}`)
  }

  #add(call) {
    this.#calls = [...this.#calls, call].sort((one, other) => other.at - one.at).slice(0, CALLS_MAX)
    this.#changed()
  }

  #change(id, what) {
    this.#calls = this.#calls.map((one) => (one.id === id ? { ...one, ...what } : one))
    this.#changed()
  }

  #changed() {
    keep('deskbell.calls', this.#calls)
    this.table.show(this.#calls)
  }

  #show(message, meant) {
    const url = new URL('ws', location.href.replace('http', 'ws')).href
    setText(this.meant, meant)
    setText(
      this.code,
      asJavaScript(message, { url, providerId: this.#provider.providerId ?? providerName(), token: this.#token }),
    )
    setText(this.wire, asWire(message))
  }
}

/** A piece of code with a button that copies it. */
function listing(title, code) {
  const said = element('span', { class: 'small', role: 'status' })
  const copied = async () => {
    setText(said, (await copy(code)) ? 'Copied' : 'Not copied: select it and press Ctrl+C')
    setTimeout(() => setText(said, ''), COPIED_MS)
  }
  return element(
    'figure',
    { class: 'listing' },
    element(
      'figcaption',
      {},
      title,
      said,
      element('button', { type: 'button', class: 'quiet', 'aria-label': `Copy ${title}`, click: copied }, 'Copy'),
    ),
    element('pre', { tabindex: 0, role: 'region', 'aria-label': title }, code),
  )
}

/** A page served over plain http from another machine cannot write to the clipboard. */
async function copy(node) {
  try {
    await navigator.clipboard.writeText(node.textContent)
    return true
  } catch {
    getSelection()?.selectAllChildren(node)
    return document.execCommand('copy')
  }
}
