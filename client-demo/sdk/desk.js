// The agent's desk as an element: `<deskbell-desk agent="ada"></deskbell-desk>`. Attributes, properties, events, parts
// and the properties of a brand are documented in docs/embedding.md, and typed in desk.d.ts.

import { Agent } from './deskbell.js'
import { ConnectionHealth } from './desk/connection-health.js'
import { DeskView } from './desk/desk-view.js'
import { DeskModel } from './desk/model.js'
import { adopt, DESK } from './desk/styles.js'
import { loadTexts } from './desk/texts.js'

/** A change of these needs another connection. */
const IDENTITY = ['hub', 'agent', 'token', 'groups']
/** A change of these draws the desk anew. */
const LOOKS = ['language', 'layout', 'silent', 'shortcuts']
const LAYOUTS = ['full', 'panel', 'bar']

export class DeskbellDesk extends HTMLElement {
  static observedAttributes = [...IDENTITY, ...LOOKS]

  /** @type {string | (() => string | Promise<string>) | undefined} */ #token
  /** @type {string | undefined} */ #worker
  /** @type {{ client: Agent, model: DeskModel, health: ConnectionHealth, abort: AbortController } | undefined} */ #desk
  /** @type {AbortController | undefined} of what is drawn */ #drawn
  #pending = { connect: false, draw: false, queued: false }

  constructor() {
    super()
    adopt(this.attachShadow({ mode: 'open' }), DESK)
  }

  /** The client of this desk's connection; nothing while the element is not on a page. */
  get client() {
    return this.#desk?.client
  }

  /** For a title or a badge of the page. The event `update` says that it may have changed. */
  get summary() {
    const { client, model, health } = this.#desk ?? {}
    return {
      name: client?.agentId ?? this.agent,
      ringing: model?.unanswered.length ?? 0,
      away: model?.presence === 'away',
      offline: Boolean(health?.known && !health.fresh),
    }
  }

  /** A JWT, or a function that gets one. It is never written to an attribute. */
  get token() {
    return this.#token ?? this.getAttribute('token') ?? undefined
  }

  set token(token) {
    this.#token = token
    this.#change('connect')
  }

  /** The address of a service worker of this page that handles clicks on desktop notifications. */
  get worker() {
    return this.#worker
  }

  set worker(worker) {
    this.#worker = worker
    this.#change('draw')
  }

  connectedCallback() {
    // Properties that were set before the element was defined hide its accessors.
    for (const name of ['token', 'worker', ...REFLECTED, 'silent']) {
      if (!Object.hasOwn(this, name)) continue
      const value = this[name]
      delete this[name]
      this[name] = value
    }
    if (this.#desk) return
    this.#connect()
    this.#draw()
  }

  disconnectedCallback() {
    // Moved within the page it is back at once.
    queueMicrotask(() => {
      if (!this.isConnected) this.#stop()
    })
  }

  attributeChangedCallback(name, before, after) {
    if (before !== after) this.#change(IDENTITY.includes(name) ? 'connect' : 'draw')
  }

  /** Several changes in a row are made as one. @param {'connect' | 'draw'} what */
  #change(what) {
    if (!this.#desk) return
    this.#pending[what] = true
    if (this.#pending.queued) return
    this.#pending.queued = true
    queueMicrotask(() => {
      const { connect } = this.#pending
      this.#pending = { connect: false, draw: false, queued: false }
      if (!this.#desk) return
      if (connect) {
        this.#stop()
        this.#connect()
      }
      this.#draw()
    })
  }

  #connect() {
    const groups = (this.getAttribute('groups') ?? '').split(',').map((one) => one.trim())
    const token = this.token
    const client = new Agent(hubAddress(this.getAttribute('hub')), {
      ...(token ? { token } : { agentId: this.agent || undefined }),
      ...(groups[0] ? { groups } : {}),
    })
    const health = new ConnectionHealth(client)
    const model = new DeskModel(client, health, (notification) => this.#tell('accept', { notification }, true))
    const abort = new AbortController()
    const { signal } = abort
    this.#desk = { client, model, health, abort }
    client.on('state', (connection) => this.#tell('connection', connection), { signal })
    client.on('session', (session) => this.#tell('session', { session }), { signal })
    client.on('sessionEnded', ({ sessionId }) => this.#tell('sessionended', { sessionId }), { signal })
    model.addEventListener('ended', ({ detail }) => detail.missed && this.#tell('missed', { ...detail }), { signal })
    const update = () => this.dispatchEvent(new Event('update'))
    for (const type of ['change', 'ended']) model.addEventListener(type, update, { signal })
    addEventListener('pagehide', () => model.endAllNow(), { signal })
  }

  async #draw() {
    const desk = this.#desk
    if (!desk) return
    this.#drawn?.abort()
    const drawn = (this.#drawn = new AbortController())
    desk.abort.signal.addEventListener('abort', () => drawn.abort(), { signal: drawn.signal })
    const lang = this.closest('[lang]')?.getAttribute('lang')
    const texts = await loadTexts([this.language, lang, ...navigator.languages])
    if (drawn.signal.aborted) return
    new DeskView(/** @type {ShadowRoot} */ (this.shadowRoot), {
      ...desk,
      texts,
      name: this.agent || texts.text('desk.newAgent'),
      options: {
        layout: /** @type {any} */ (LAYOUTS.includes(this.layout) ? this.layout : 'full'),
        silent: this.hasAttribute('silent'),
        pageKeys: this.shortcuts === 'page',
        worker: this.#worker,
        preferredSound: () => getComputedStyle(this).getPropertyValue('--deskbell-sound').trim(),
      },
      signal: drawn.signal,
    })
    this.dispatchEvent(new Event('update'))
  }

  #stop() {
    const desk = this.#desk
    if (!desk) return
    this.#desk = undefined
    desk.model.endAllNow()
    desk.abort.abort()
    desk.client.close()
    this.shadowRoot?.replaceChildren()
  }

  #tell(type, detail, cancelable = false) {
    return this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable }))
  }
}

/** Attributes that are properties of the same name; an absent one is the empty string. */
const REFLECTED = ['hub', 'agent', 'groups', 'language', 'theme', 'layout', 'shortcuts']
for (const name of REFLECTED) {
  Object.defineProperty(DeskbellDesk.prototype, name, {
    configurable: true,
    enumerable: true,
    get() {
      return this.getAttribute(name) ?? ''
    },
    set(value) {
      if (value === undefined || value === null) this.removeAttribute(name)
      else this.setAttribute(name, value)
    },
  })
}
Object.defineProperty(DeskbellDesk.prototype, 'silent', {
  configurable: true,
  enumerable: true,
  get() {
    return this.hasAttribute('silent')
  },
  set(value) {
    this.toggleAttribute('silent', Boolean(value))
  },
})

/** The hub that served this module, unless another is named. */
function hubAddress(hub) {
  return hub ? new URL(hub, document.baseURI) : new URL('../ws', import.meta.url)
}

if (!customElements.get('deskbell-desk')) customElements.define('deskbell-desk', DeskbellDesk)
