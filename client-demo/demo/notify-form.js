// The form of a call: a template to choose, and a field for each of its placeholders.

import { picture } from '../sdk/desk/icons.js'
import { element, reconcile, setText } from '../sdk/desk/dom.js'
import { lines, uuid } from './tab-storage.js'

/**
 * @typedef {{ name: string, default?: string, required: boolean }} Placeholder
 * @typedef {{ name: string, title: string, icon?: string, timeoutMs: number, queueTimeoutMs: number, autoAccept:
 *   boolean,
 *   autoAcceptOnTimeout: boolean, settle: string, placeholders: Placeholder[] }} Template
 */

export class NotifyForm {
  /** @type {readonly Template[]} */ #templates = []
  /** typed values by parameter, so that another template with the same parameter keeps them */ #typed = new Map()
  #id = uuid()
  #made = 0
  #changed

  /** @param {{ ring(message: any, label: string): void, changed(message: any): void }} page */
  constructor({ ring, changed }) {
    this.#changed = changed
    this.choice = control('select', 'template')
    this.legend = element('legend', {})
    this.fields = element('div', { class: 'fields' })
    this.parameters = element('fieldset', { class: 'parameters' }, this.legend, this.fields)
    this.picture = element('span', { class: 'sign' })
    this.preview = element('p', { class: 'preview' })
    this.fault = element('p', { class: 'fault', role: 'alert' })
    this.other = control('input', 'templateName', { type: 'text' })
    this.choice.addEventListener('change', () => this.#chosen())
    // Disabled until the templates are loaded.
    this.ring = element('button', { class: 'ring', type: 'submit', disabled: true }, 'Ring')
    const submit = (event) => {
      event.preventDefault()
      const message = this.message()
      this.#id = uuid()
      ring(message, this.#label())
      this.#tell()
    }
    this.element = element(
      'form',
      { class: 'call-form', 'aria-label': 'Call', submit, input: () => this.#tell() },
      labelled('Template', this.choice),
      element('div', { class: 'shown' }, this.picture, this.preview),
      this.fault,
      this.parameters,
      this.ring,
      element(
        'details',
        { class: 'more' },
        element('summary', {}, 'More fields'),
        element(
          'div',
          { class: 'fields' },
          labelled('For agents', control('input', 'agents', { type: 'text', placeholder: 'everybody; or ada, bob' })),
          labelled('For groups', control('input', 'groups', { type: 'text', placeholder: 'or billing, sales' })),
          labelled(
            'Session',
            control('input', 'sessionId', { type: 'text', placeholder: 'by default the notification’s id' }),
          ),
          labelled(
            'Cancellation token',
            control('input', 'token', { type: 'text', placeholder: 'by default a random one' }),
          ),
          labelled('Correlation (a GUID)', control('input', 'correlationId', { type: 'text' })),
          labelled('Another template, by name', this.other),
        ),
        labelled('More parameters, a name=value on each line', control('textarea', 'more', { rows: 2 })),
      ),
    )
  }

  /** @param {readonly Template[]} templates */
  offer(templates) {
    setText(this.fault, '')
    this.ring.disabled = false
    // Loaded again whenever the page gets the focus. Unchanged fields stay, because someone may be typing.
    if (JSON.stringify(templates) === JSON.stringify(this.#templates)) return this.#tell()
    this.#templates = templates
    const chosen = this.choice.value
    const option = ({ name }) => element('option', { value: name }, name)
    reconcile(this.choice, templates, ({ name }) => name, option)
    const first =
      templates.find(({ name }) => name === chosen) ??
      simplest(templates.filter(({ name }) => name.includes('chat'))) ??
      templates[0]
    if (first) this.choice.value = first.name
    this.#chosen()
  }

  /** @param {string} why */
  unavailable(why) {
    setText(this.fault, `The list of templates cannot be had: ${why} Name one under “More fields”.`)
    this.ring.disabled = false
    this.#tell()
  }

  /** What would be sent now. */
  message() {
    const data = new FormData(this.element)
    const value = (name) => String(data.get(name) ?? '').trim() || undefined
    const names = (name) =>
      value(name)
        ?.split(',')
        .map((one) => one.trim())
        .filter(Boolean)
    const to = { agents: names('agents'), groups: names('groups') }
    const parameters = { ...lines(value('more')) }
    for (const field of this.#fields()) if (field.value) parameters[field.dataset.parameter] = field.value
    return without({
      type: 'notify',
      id: this.#id,
      templateName: value('templateName') ?? this.choice.value,
      templateParameters: Object.keys(parameters).length ? parameters : undefined,
      to: to.agents || to.groups ? without(to) : undefined,
      sessionId: value('sessionId'),
      cancellationToken: value('token') ?? `token-${this.#id}`,
      correlationId: value('correlationId'),
    })
  }

  /** @returns {HTMLInputElement[]} */
  #fields() {
    return [...this.parameters.querySelectorAll('input')]
  }

  #template() {
    return this.#templates.find(({ name }) => name === this.choice.value)
  }

  /** The fields of the template. A field that stays keeps its text and its focus. */
  #chosen() {
    for (const field of this.#fields()) this.#typed.set(field.dataset.parameter, field.value)
    const placeholders = this.#template()?.placeholders ?? []
    setText(this.legend, placeholders.length ? 'Parameters' : 'This template takes no parameters.')
    reconcile(
      this.fields,
      placeholders,
      ({ name }) => name,
      ({ name }) => {
        const value = this.#typed.get(name) ?? (name === 'customerName' ? 'Grace Hopper' : undefined)
        const field = element('input', { type: 'text', id: `parameter-${++this.#made}`, autocomplete: 'off', value })
        field.dataset.parameter = name
        const update = (one) => {
          field.required = one.required && one.default === undefined
          field.placeholder = one.default ?? ''
        }
        return Object.assign(labelled(name, field), { update })
      },
    )
    this.picture.replaceChildren(picture(this.#template()?.icon))
    this.#tell()
  }

  #tell() {
    const template = this.other.value.trim() ? undefined : this.#template()
    setText(this.preview, template ? `“${this.#label()}” ${howLong(template)}` : '')
    this.picture.hidden = !template
    for (const field of this.#fields()) field.disabled = Boolean(this.other.value.trim())
    this.#changed(this.message())
  }

  /** The title as the desks will show it. */
  #label() {
    const other = this.other.value.trim()
    const parameters = this.message().templateParameters ?? {}
    if (other) return parameters.customerName ?? other
    return expanded(this.#template()?.title ?? this.choice.value, parameters)
  }
}

/** A template's text with its placeholders filled in. */
export function expanded(text, parameters) {
  return text.replace(/\{\{|\}\}|\{([^{}|]+)(?:\|([^}]*))?\}/g, (whole, name, fallback) => {
    if (name === undefined) return whole[0]
    return Object.hasOwn(parameters, name) ? parameters[name] : (fallback ?? `{${name}}`)
  })
}

/** The one that asks for the least. @param {readonly Template[]} templates @returns {Template | undefined} */
function simplest(templates) {
  return [...templates].sort((one, other) => one.placeholders.length - other.placeholders.length)[0]
}

function howLong({ timeoutMs, queueTimeoutMs, autoAccept, autoAcceptOnTimeout }) {
  if (autoAccept) return `goes at once to who has been idle longest, and waits ${seconds(queueTimeoutMs)} for one.`
  const after = autoAcceptOnTimeout ? ', then goes to who has been idle longest' : ''
  return `rings for ${seconds(timeoutMs)}${after}; waits ${seconds(queueTimeoutMs)} for a free desk.`
}

function seconds(ms) {
  return ms < 1_000 ? `${ms} ms` : ms % 60_000 ? `${ms / 1_000} s` : `${ms / 60_000} min`
}

function control(tag, name, more = {}) {
  return element(tag, { name, id: `call-${name}`, autocomplete: 'off', ...more })
}

function labelled(label, field) {
  return element('div', { class: 'field' }, element('label', { for: field.id }, label), field)
}

function without(object) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
