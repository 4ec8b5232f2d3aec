// The types say what the source does, and the check that holds them would notice if not. And the size.

import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { check } from '../../client-demo/types/check.mjs'
import { ROOT } from '../support/hub.mjs'

const SIZE_MAX = 10_240

test('deskbell.d.ts and deskbell.js agree', () => {
  assert.equal(check(), '')
})

const DIVERGENCES = [
  ['a method that is not there', 'accept(notificationId: string,', 'take(notificationId: string,'],
  [
    'a parameter of another type',
    'activity(sessionId: string, count: number,',
    'activity(sessionId: string, count: string,',
  ],
  [
    'a parameter that is not optional',
    'reject(notificationId: string, reason?: string,',
    'reject(notificationId: string, reason: string | undefined,',
  ],
  ['another result', 'options?: CallOptions): Promise<CancelResult>', 'options?: CallOptions): Promise<NotifyResult>'],
  [
    'a property that is promised only here',
    '  readonly presence: Presence | undefined\n',
    '  readonly presence: Presence | undefined\n  readonly mood: string\n',
  ],
  ['a property that is kept quiet', '  readonly position: string | true | undefined\n', ''],
  ['an export that is not there', 'export function install', 'export const version: string\nexport function install'],
]

for (const [what, from, to] of DIVERGENCES) {
  test(`the check notices ${what}`, async (context) => {
    const copy = await mkdtemp(join(tmpdir(), 'deskbell-types-'))
    context.after(() => rm(copy, { recursive: true, force: true }))
    for (const folder of ['sdk', 'types'])
      await cp(join(ROOT, 'client-demo', folder), join(copy, folder), { recursive: true })
    const file = join(copy, 'sdk/deskbell.d.ts')
    const text = await readFile(file, 'utf8')
    assert.ok(text.includes(from), `the declarations no longer say: ${from}`)
    await writeFile(file, text.replace(from, to))
    assert.notEqual(check(join(copy, 'types')), '')
  })
}

test(`the SDK is smaller than ${SIZE_MAX} bytes, gzipped`, async (context) => {
  const size = gzipSync(await readFile(join(ROOT, 'client-demo/sdk/deskbell.js')), { level: 9 }).length
  context.diagnostic(`deskbell.js: ${size} bytes gzipped`)
  assert.ok(size < SIZE_MAX, `${size} bytes`)
})
