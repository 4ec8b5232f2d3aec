// Code generators read the documents that the hub serves. Each generated client raises a notification and reads its
// outcome.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import openapiTS, { astToString } from 'openapi-typescript'
import { parse } from '../../client-demo/node_modules/yaml/dist/index.js'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { openBrowser } from '../support/browser.mjs'
import { ROOT, startHub } from '../support/hub.mjs'

const BIN = fileURLToPath(new URL('node_modules/.bin/', import.meta.url))
const PYTHON = join(ROOT, 'target/generators')
/** PyPI has the jar of openapi-generator in a package; the others are what the generated Python needs. */
const PACKAGES = [
  'openapi-generator-cli==7.26.0',
  'openapi-python-client==0.29.1',
  'urllib3>=2.1,<3',
  'python-dateutil>=2.8.2',
  'pydantic>=2.11',
  'typing-extensions>=4.7',
]

const run = (program, given, options = {}) =>
  promisify(execFile)(program, given, {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${join(PYTHON, 'bin')}:${process.env.PATH}` },
    maxBuffer: 1 << 26,
    ...options,
  })

/** The Python tools, installed under target/ once. */
async function installPython() {
  if (existsSync(join(PYTHON, 'installed'))) return
  await run('python3', ['-m', 'venv', PYTHON])
  await run(join(PYTHON, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...PACKAGES])
  await writeFile(join(PYTHON, 'installed'), '')
}

describe('generated clients', () => {
  let hub
  let home
  let desk
  before(async () => {
    await installPython()
    hub = await startHub()
    home = await mkdtemp(join(tmpdir(), 'deskbell-generated-'))
    desk = new Agent(hub.ws, { agentId: 'ada' })
    desk.on('notification', ({ notificationId }) => desk.accept(notificationId))
    await desk.ready
  })
  after(async () => {
    desk?.close()
    await hub?.dispose()
    await rm(home, { recursive: true, force: true })
  })

  /** Runs `openapi-generator` for that kind of client; returns the folder. */
  async function generate(kind) {
    const folder = join(home, kind)
    const given = ['generate', '-g', kind, '-i', `${hub.url}/openapi.yaml`, '-o', folder]
    await run(join(PYTHON, 'bin/openapi-generator-cli'), given)
    return folder
  }

  /** Checks with tsc that this program compiles, runs it, and returns its output. */
  async function runTypeScript(folder, program) {
    const file = join(folder, 'program.ts')
    await writeFile(file, program)
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'preserve']
    await run(join(BIN, 'tsc'), [...options, '--lib', 'es2022,dom,dom.iterable', file])
    const outfile = join(folder, 'program.mjs')
    await build({ entryPoints: [file], bundle: true, platform: 'node', format: 'esm', outfile, logLevel: 'error' })
    const { stdout } = await run(process.execPath, [outfile, hub.url])
    return stdout.trim()
  }

  test('openapi-generator: python', async () => {
    const folder = await generate('python')
    const program = `
import sys
from openapi_client import ApiClient, Configuration, DefaultApi, Notify, Audience
api = DefaultApi(ApiClient(Configuration(host=sys.argv[1])))
parameters = {"customerName": "Grace"}
call = Notify(templateName="msdyn_call_incoming", templateParameters=parameters, to=Audience(agents=["ada"]))
result = api.notify(call, wait="30s")
again = api.recall(result.notification_id)
print(result.value.action_name, result.agent_id, again.value.response_reason)
`
    const { stdout } = await run(join(PYTHON, 'bin/python'), ['-c', program, hub.url], { cwd: folder })
    assert.equal(stdout.trim(), 'Accept ada Accept')
  })

  test('openapi-generator: typescript-fetch', async () => {
    const folder = await generate('typescript-fetch')
    const said = await runTypeScript(
      folder,
      `import { Configuration, DefaultApi } from './index'
declare const process: { argv: string[] }
const api = new DefaultApi(new Configuration({ basePath: process.argv[2] }))
const templateParameters = { customerName: 'Grace' }
const notify = { templateName: 'msdyn_call_incoming', templateParameters, to: { agents: ['ada'] } }
const result = await api.notify({ notify, wait: '30s' })
const again = await api.recall({ notificationId: result.notificationId })
console.log(result.value.actionName, result.agentId, again.value.responseReason)
`,
    )
    assert.equal(said, 'Accept ada Accept')
  })

  test('openapi-python-client', async () => {
    const folder = join(home, 'python-client')
    await run(join(PYTHON, 'bin/openapi-python-client'), [
      'generate',
      '--url',
      `${hub.url}/openapi.yaml`,
      '--output-path',
      folder,
    ])
    const program = `
import sys
from deskbell_over_http_client import Client
from deskbell_over_http_client.api.default import notify, recall
from deskbell_over_http_client.models import Notify
client = Client(base_url=sys.argv[1])
call = Notify.from_dict({
    "templateName": "msdyn_call_incoming", "templateParameters": {"customerName": "Grace"}, "to": {"agents": ["ada"]},
})
result = notify.sync(client=client, body=call, wait="30s")
again = recall.sync(result.notification_id, client=client)
print(result.value.action_name.value, result.agent_id, again.value.response_reason.value)
`
    const { stdout } = await run(join(PYTHON, 'bin/python'), ['-c', program, hub.url], { cwd: folder })
    assert.equal(stdout.trim(), 'Accept ada Accept')
  })

  test('openapi-typescript with openapi-fetch', async () => {
    const folder = await mkdtemp(join(home, 'fetch-'))
    await writeFile(join(folder, 'hub.ts'), astToString(await openapiTS(new URL(`${hub.url}/openapi.yaml`))))
    const library = fileURLToPath(import.meta.resolve('openapi-fetch'))
    const said = await runTypeScript(
      folder,
      `import createClient from ${JSON.stringify(library)}
import type { paths } from './hub'
declare const process: { argv: string[] }
const hub = createClient<paths>({ baseUrl: process.argv[2] })
const templateParameters = { customerName: 'Grace' }
const body = { templateName: 'msdyn_call_incoming', templateParameters, to: { agents: ['ada'] } }
const { data } = await hub.POST('/api/notify', { params: { query: { wait: '30s' } }, body })
if (data?.type !== 'result') throw new Error(JSON.stringify(data))
const path = { notificationId: data.notificationId }
const again = await hub.GET('/api/notifications/{notificationId}', { params: { path } })
console.log(data.value.actionName, data.agentId, again.data?.type)
`,
    )
    assert.equal(said, 'Accept ada result')
  })

  test('openapi-typescript: a wrong call does not compile', async () => {
    const folder = await mkdtemp(join(home, 'types-'))
    await writeFile(join(folder, 'hub.ts'), astToString(await openapiTS(new URL(`${hub.url}/openapi.yaml`))))
    const body = "paths['/api/notify']['post']['requestBody']['content']['application/json']"
    const file = join(folder, 'wrong.ts')
    await writeFile(file, `import type { paths } from './hub'\nexport const call: ${body} = { templateName: 7 }\n`)
    assert.throws(
      () => execFileSync(join(BIN, 'tsc'), ['--noEmit', '--strict', file], { encoding: 'utf8', stdio: 'pipe' }),
      ({ stdout }) => /error TS2322/.test(stdout),
    )
  })

  test('a browser shows both documents instead of saving them, and they need no other file', async () => {
    const browser = await openBrowser()
    try {
      for (const name of ['openapi.yaml', 'asyncapi.yaml']) {
        const page = await browser.context.newPage()
        const downloads = []
        page.on('download', (download) => downloads.push(download))
        await page.goto(`${hub.url}/${name}`)
        const text = await page.locator('body').innerText()
        assert.deepEqual(downloads, [])
        const references = JSON.stringify(parse(text)).matchAll(/"\$ref":"([^"]*)"/g)
        assert.deepEqual(
          [...references].map(([, target]) => target).filter((target) => !target.startsWith('#/')),
          [],
        )
      }
    } finally {
      await browser.dispose()
    }
  })
})
