// The AsyncAPI document that a hub serves, as a judge of what its clients and it say to each other.

import Ajv from '../../client-demo/node_modules/ajv/dist/ajv.js'
import { parse } from '../../client-demo/node_modules/yaml/dist/index.js'

/** The fields that distinguish the messages of one direction. */
const TELLING = ['type', 'role', 'event', 'msdyn_name']

/** By the host of each hub that a test has started: what watches it. */
const watched = new Map()
const documents = new Map()

/**
 * Watches the messages that the clients of this process, and the pages of `watchPages`, exchange with the hub at `url`.
 * @returns the faults found so far, as text
 */
export async function watchHub(url) {
  const text = await (await fetch(new URL('/asyncapi.yaml', url))).text()
  if (!documents.has(text)) documents.set(text, readDocument(parse(text)))
  const host = new URL(url).host
  if (!watched.has(host)) watched.set(host, { faults: [], messages: 0 })
  return Object.assign(watched.get(host), { document: documents.get(text) })
}

/** No longer: its port may soon be another's. */
export function unwatchHub(url) {
  watched.delete(new URL(url).host)
}

/** Watches every WebSocket of a browser's pages. */
export function watchPages(context) {
  context.on('page', (page) =>
    page.on('websocket', (socket) => {
      const talk = talkWith(socket.url())
      socket.on('framesent', ({ payload }) => talk?.say(payload))
      socket.on('framereceived', ({ payload }) => talk?.hear(payload))
    }),
  )
}

/** The WebSocket of this process, watched. */
class WatchedWebSocket extends globalThis.WebSocket {
  #talk

  constructor(url, protocols) {
    super(url, protocols)
    this.#talk = talkWith(url)
    this.addEventListener('message', ({ data }) => this.#talk?.hear(data))
  }

  send(data) {
    this.#talk?.say(data)
    super.send(data)
  }
}
globalThis.WebSocket = WatchedWebSocket

/** One connection's conversation; nothing if nobody watches that hub. */
function talkWith(url) {
  const watch = watched.get(new URL(url).host)
  if (!watch) return undefined
  // By id: the faults that the document finds in the message with that id.
  const said = new Map()
  // Faults in what had no id, which the hub's next error without one takes back: it was refused, as it should be.
  const doubtful = []
  const fault = (what, text, why) => {
    const words = `${what}: ${text.slice(0, 600)}${why}`
    watch.faults.push(words)
    return words
  }
  return {
    say(text) {
      const message = JSON.parse(text)
      const why = watch.document.faultsOf(message, 'client')
      watch.messages++
      if (why && typeof message.id !== 'string') doubtful.push(fault('a client says what is not described', text, why))
      said.set(message.id, said.has(message.id) && said.get(message.id) !== why ? 'some' : why)
    },
    hear(text) {
      const message = JSON.parse(text)
      const why = watch.document.faultsOf(message, 'hub')
      watch.messages++
      if (why) fault('the hub says what is not described', text, why)
      if (message.type === 'error' && message.id === undefined && doubtful.length) {
        watch.faults.splice(watch.faults.indexOf(doubtful.shift()), 1)
      }
      if (typeof message.id !== 'string' || !said.has(message.id) || said.get(message.id) === 'some') return
      const malformed = message.code === 'badMessage' || message.code === 'badParameter'
      if (malformed && !said.get(message.id)) fault('the hub refuses what is described', text, '')
      if (message.type !== 'error' && said.get(message.id))
        fault('the hub takes what is not described', text, said.get(message.id))
    },
  }
}

/** The document with its schemas compiled. */
function readDocument(root) {
  const ajv = new Ajv({ strict: false, allErrors: true })
  ajv.addSchema({ $id: 'document', components: { schemas: root.components.schemas } })
  const sides = { hub: new Set(), client: new Set() }
  for (const { action, messages, reply } of Object.values(root.operations)) {
    for (const { $ref } of messages) sides[action === 'send' ? 'hub' : 'client'].add(lastOf($ref))
    for (const { $ref } of reply?.messages ?? []) sides.hub.add(lastOf($ref))
  }
  const described = (name) => {
    const { $ref } = root.components.messages[name].payload
    return { name, schema: root.components.schemas[lastOf($ref)], fits: ajv.compile({ $ref: `document${$ref}` }) }
  }
  const descriptions = { hub: [...sides.hub].map(described), client: [...sides.client].map(described) }
  return {
    root,
    /** What rules a message of that side breaks; nothing if it fits one description. */
    faultsOf(message, side) {
      const meant = descriptions[side].filter(({ schema }) => isMeant(schema, message))
      // A client's sizes are counted in bytes, which JSON Schema cannot say: each byte is made a character.
      const forms = side === 'client' ? [message, aCharacterPerByte(message)] : [message]
      const why = meant.map(({ name, fits }) => {
        const bad = forms.find((form) => !fits(form))
        return (
          bad &&
          fits.errors
            .map((error) => `\n  ${name} ${error.instancePath}: ${error.message} (${error.schemaPath})`)
            .join('')
        )
      })
      const fitting = why.filter((one) => !one).length
      return fitting === 1 ? '' : `\n${fitting} descriptions fit${why.join('')}`
    },
  }
}

function isMeant(schema, message) {
  return TELLING.every((field) => {
    const rule = schema.properties[field]
    const value = message[field] ?? undefined
    if (rule && 'const' in rule) return rule.const === value
    if (rule?.enum) return rule.enum.includes(value) || (value === undefined && field !== 'type')
    return value === undefined || schema.additionalProperties !== false
  })
}

function aCharacterPerByte(value) {
  if (typeof value === 'string')
    return value.replace(/[^\x00-\x7f]/gu, (character) => 'x'.repeat(Buffer.byteLength(character)))
  if (Array.isArray(value)) return value.map(aCharacterPerByte)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inside]) => [aCharacterPerByte(key), aCharacterPerByte(inside)]),
  )
}

const lastOf = (reference) => reference.split('/').at(-1)
