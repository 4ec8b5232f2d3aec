// Code generators read the documents that the hub serves, and their output compiles.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import openapiTS, { astToString } from 'openapi-typescript'
import { startHub } from '../support/hub.mjs'

const BIN = fileURLToPath(new URL('node_modules/.bin/', import.meta.url))

test('openapi-typescript makes types with which a right call compiles and a wrong one does not', async (context) => {
  const hub = await startHub()
  context.after(() => hub.dispose())
  const home = await mkdtemp(join(tmpdir(), 'deskbell-types-'))
  context.after(() => rm(home, { recursive: true }))
  const types = astToString(await openapiTS(new URL(`${hub.url}/openapi.yaml`)))
  await writeFile(join(home, 'hub.ts'), types)
  const body = "paths['/api/notify']['post']['requestBody']['content']['application/json']"
  const call = (value) => `import type { paths } from './hub'\nexport const call: ${body} = ${value}\n`
  await writeFile(join(home, 'right.ts'), call("{ templateName: 'chat', id: 'conv-1', to: { agents: ['ada'] } }"))
  await writeFile(join(home, 'wrong.ts'), call('{ templateName: 7 }'))
  const compile = (file) =>
    execFileSync(join(BIN, 'tsc'), ['--noEmit', '--strict', join(home, file)], { encoding: 'utf8', stdio: 'pipe' })
  assert.equal(compile('right.ts'), '')
  assert.throws(
    () => compile('wrong.ts'),
    ({ stdout }) => /error TS2322/.test(stdout),
  )
})
