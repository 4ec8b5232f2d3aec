// Writes the schemas of openapi.yaml from those of asyncapi.yaml, so that openapi.yaml needs no other file. They are
// simpler than their originals, because code generators do not understand conditions (`if`, `then`): see `simplified`.
// Run `npm run openapi` after a change of asyncapi.yaml; a test compares.

import { readFileSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'

const FILE = new URL('openapi.yaml', import.meta.url)
const MARK = '    # The rest is made from asyncapi.yaml by `npm run openapi`: change it there.\n'
/** The calls, by their AsyncAPI schemas. */
const CALLS = ['notify', 'cancel', 'kpi', 'activity', 'endSession']
/** Parts of addresses and headers. */
const SCALARS = ['Name', 'NotificationId']
const REPLIES = ['ack', 'notifyResult', 'cancelResult', 'kpiResult', 'activityResult', 'endSessionResult']
/** The error bodies, by the codes that they can have. */
const ERRORS = {
  BadRequest: ['badMessage', 'badParameter'],
  BadToken: ['badToken'],
  NotAllowed: ['notAllowed'],
  NotFound: ['unknownTemplate', 'notFound'],
  Taken: ['idTaken', 'tokenTaken'],
  Unresolved: ['unresolvedParameter'],
  TooMany: ['limit', 'rateLimited'],
  Unavailable: ['unavailable'],
}

const source = parse(readFileSync(new URL('asyncapi.yaml', import.meta.url), 'utf8')).components.schemas

/** The schemas of openapi.yaml, by name. */
function schemas() {
  const made = {}
  /** The reference to the schema of that name, which is made if it is not there yet. */
  const named = (name) => {
    const ours = name[0].toUpperCase() + name.slice(1)
    if (!(ours in made)) {
      made[ours] = {}
      made[ours] = simplified(source[name], named)
    }
    return { $ref: `#/components/schemas/${ours}` }
  }
  for (const name of CALLS) {
    const { type, ...schema } = simplified(source[name], named)
    schema.required = schema.required.filter((field) => field !== 'type')
    // The path says which call it is.
    schema.properties.type = { type: 'string', enum: [name] }
    made[name[0].toUpperCase() + name.slice(1)] = { type, ...schema }
  }
  for (const name of SCALARS) made[name] = simplified(source[name], named)
  REPLIES.forEach(named)
  for (const [name, codes] of Object.entries(ERRORS)) {
    made[name] = simplified(structuredClone(source.error), named)
    made[name].properties.code.enum = codes
    if (name === 'Unavailable') made[name].required.push('retryAfterMs')
  }
  return made
}

/**
 * A schema without conditions, which stay in asyncapi.yaml. Scalars stand where they are used, objects have names. Of
 * alternatives that differ in the values of the same fields, one object with all values remains. The hub's messages may
 * get more fields in the future, so unknown ones are not forbidden.
 */
function simplified(schema, named) {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1)
    const scalar = simplified(source[name], named)
    return scalar.type === 'object' ? named(name) : scalar
  }
  const { if: _if, then: _then, else: _else, allOf = [], anyOf: _anyOf, oneOf, propertyNames: _names, ...rest } = schema
  if (isHubs(schema)) delete rest.additionalProperties
  const nullable = oneOf?.length === 2 && oneOf[1].type === 'null'
  if (nullable) {
    const { type, ...other } = simplified(oneOf[0], named)
    return { type: [type, 'null'], ...other, ...rest }
  }
  const made = { ...rest }
  for (const part of allOf) {
    const conditional = (part.$ref ? source[part.$ref.split('/').at(-1)] : part).if
    if (!conditional) Object.assign(made, { ...simplified(part, named), ...rest })
  }
  // A title names what has no name of its own. Values would get one class for each error.
  if (made.enum) delete made.title
  const texts = made.enum ?? ('const' in made ? [made.const] : [])
  if (!made.type && typeof texts[0] === 'string') made.type = 'string'
  if (made.type === 'null') {
    delete made.type
    made.const = null
  }
  if (made.items) made.items = simplified(made.items, named)
  // Scalars of several types have a class of their own in generated code, which nobody wants to write.
  if (Array.isArray(made.additionalProperties?.type)) made.additionalProperties = true
  if (oneOf) return { ...combined(alternatives({ oneOf }).map((one) => simplified(one, named))), ...rest }
  if (made.properties) {
    made.properties = Object.fromEntries(
      Object.entries(made.properties).map(([name, property]) => [name, simplified(property, named)]),
    )
  }
  return made
}

/** The objects of nested alternatives, in order. */
function alternatives(schema) {
  if (schema.$ref) return alternatives(source[schema.$ref.split('/').at(-1)])
  return schema.oneOf ? schema.oneOf.flatMap(alternatives) : [schema]
}

/** One object with the values of all. */
function combined(objects) {
  const values = ({ const: only, enum: several = [only] }) => several
  const properties = Object.keys(objects[0].properties).map((name) => {
    const all = objects.flatMap((object) => values(object.properties[name]))
    return [name, { type: 'string', enum: [...new Set(all)] }]
  })
  return { type: 'object', required: objects[0].required, properties: Object.fromEntries(properties) }
}

/** Whether the hub sends it. */
function isHubs(schema) {
  return schema.additionalProperties === false && !schema.properties?.agents
}

const text = readFileSync(FILE, 'utf8')
const head = text.slice(0, text.indexOf(MARK) + MARK.length)
const rest = stringify(schemas(), { aliasDuplicateObjects: false, lineWidth: 0 }).replace(/^(?=.)/gm, '    ')
if (!text.includes(MARK)) throw new Error(`no line in openapi.yaml that says: ${MARK.trim()}`)
if (process.argv[2] === '--check') {
  if (text !== head + rest)
    throw new Error('the schemas of openapi.yaml are not those of asyncapi.yaml: npm run openapi')
} else {
  writeFileSync(FILE, head + rest)
}
