// The SDK as an application gets it: through a bundler, minified, in one file. Each bundle rings a real hub.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { event, ROOT, startHub } from '../support/hub.mjs'

const SDK = join(ROOT, 'client-demo/sdk/deskbell.js')

/** An application: rings once, prints who answered. */
const APPLICATION = `
import { install } from ${JSON.stringify(SDK)}
await install(process.argv[2], { providerId: 'bundled' })
const { agentId } = await Microsoft.CIFramework.notifyEvent({ templateName: 'msdyn_call_incoming' })
console.log(agentId)
process.exit()
`

/** Each bundles `entry` into `out`. */
const bundlers = {
  async esbuild(entry, out) {
    const { build } = await import('esbuild')
    const options = { bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022' }
    await build({ entryPoints: [entry], outfile: out, logLevel: 'error', ...options })
  },
  async rollup(entry, out) {
    const { rollup } = await import('rollup')
    const bundle = await rollup({
      input: entry,
      onwarn(warning) {
        throw new Error(warning.message)
      },
    })
    await bundle.write({ file: out, format: 'es' })
    await bundle.close()
  },
  async webpack(entry, out) {
    const webpack = createRequire(import.meta.url)('webpack')
    const compiler = webpack({
      mode: 'production',
      entry,
      output: {
        path: join(out, '..'),
        filename: 'out.mjs',
        module: true,
        chunkFormat: 'module',
        library: { type: 'module' },
      },
      experiments: { outputModule: true },
      target: ['web', 'es2022'],
    })
    const stats = await new Promise((resolve, reject) => {
      compiler.run((error, stats) => (error ? reject(error) : resolve(stats)))
    })
    assert.equal(stats.hasErrors() || stats.hasWarnings(), false, stats.toString('errors-warnings'))
  },
}

for (const [name, bundle] of Object.entries(bundlers)) {
  test(`an application that ${name} bundled rings and receives the outcome`, async (context) => {
    const home = await mkdtemp(join(tmpdir(), 'deskbell-bundle-'))
    context.after(() => rm(home, { recursive: true }))
    const [entry, out] = [join(home, 'application.mjs'), join(home, 'out.mjs')]
    await writeFile(entry, APPLICATION)
    await bundle(entry, out)
    const hub = await startHub()
    context.after(() => hub.dispose())
    const ada = new Agent(hub.ws, { agentId: 'ada' })
    context.after(() => ada.close())
    await ada.ready
    const shown = event(ada, 'notification', undefined, 30_000)
    const application = spawn(process.execPath, ['--experimental-websocket', out, hub.ws], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    context.after(() => application.kill())
    let said = ''
    application.stdout.setEncoding('utf8').on('data', (text) => {
      said += text
    })
    const ended = once(application, 'exit')
    await ada.accept((await shown).notificationId)
    assert.deepEqual([await ended, said], [[0, null], 'ada\n'])
  })
}
