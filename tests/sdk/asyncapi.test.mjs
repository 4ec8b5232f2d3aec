// The AsyncAPI document by the rules of AsyncAPI itself. That messages and document agree, each connection of each test
// holds: those of the SDK and the pages by `support/wire.mjs`, those of the hub's own tests in `tests/wire`.

import assert from 'node:assert/strict'
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
