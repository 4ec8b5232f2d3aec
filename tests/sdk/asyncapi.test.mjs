// The AsyncAPI document by the rules of AsyncAPI itself. That messages and document agree, each connection of each test
// holds: those of the SDK and the pages by `support/wire.mjs`, those of the hub's own tests in `tests/wire`.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import Ajv from '../../client-demo/node_modules/ajv/dist/ajv.js'
import { parse } from '../../client-demo/node_modules/yaml/dist/index.js'
import { ROOT, startHub } from '../support/hub.mjs'

test('the served document is valid AsyncAPI 3.0.0', async (context) => {
  const hub = await startHub({ flags: ['--memory'] })
  context.after(() => hub.dispose())
  const document = parse(await (await fetch(`${hub.url}/asyncapi.yaml`)).text())
  const rules = JSON.parse(
    await readFile(join(ROOT, 'client-demo/node_modules/@asyncapi/specs/schemas/3.0.0.json'), 'utf8'),
  )
  const fits = new Ajv({ strict: false, validateFormats: false, meta: false, validateSchema: false }).compile(rules)
  assert.equal(document.asyncapi, '3.0.0')
  assert.ok(fits(document), JSON.stringify(fits.errors, null, 2))
  document.channels.ws.messages = []
  assert.ok(!fits(document), 'the rules notice nothing')
})

test('the schemas of openapi.yaml are those of asyncapi.yaml', () => {
  execFileSync(process.execPath, [join(ROOT, 'client-demo/openapi-schemas.mjs'), '--check'], { stdio: 'pipe' })
})

test('every object and every list of values has a name, from which generators make names of types', async () => {
  const { components } = parse(await readFile(join(ROOT, 'client-demo/asyncapi.yaml'), 'utf8'))
  const nameless = []
  const look = (schema, path, isNamed = false) => {
    const needsName = [schema.type].flat().includes('object') || schema.enum
    if (needsName && !isNamed && !schema.title) nameless.push(path)
    for (const [name, property] of Object.entries(schema.properties ?? {})) look(property, `${path}.${name}`)
    if (schema.items) look(schema.items, `${path}[]`)
    for (const part of [...(schema.oneOf ?? []), ...(schema.allOf ?? [])]) look(part, `${path}|`, isNamed)
  }
  for (const [name, schema] of Object.entries(components.schemas)) look(schema, name, true)
  assert.deepEqual(nameless, [])
  assert.ok(components.securitySchemes.token)
})
