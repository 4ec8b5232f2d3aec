// The React example of docs/embedding.md, bundled by esbuild and opened on a page of another site.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { build } from 'esbuild'
import { openBrowser, openPage } from '../support/browser.mjs'
import { bot, partsOf, TEMPLATES } from '../support/desk.mjs'
import { hostPage } from '../support/host-page.mjs'
import { ROOT, startHub } from '../support/hub.mjs'

test('the React example of the embedding guide shows a desk and hears its events', async (context) => {
  const host = await hostPage()
  context.after(() => host.close())
  const hub = await startHub({
    toml: TEMPLATES,
    secret: 'a secret of these tests, long enough to be one',
    flags: ['--allowed-origin', host.origin],
  })
  context.after(() => hub.dispose())
  const home = await mkdtemp(join(tmpdir(), 'deskbell-react-'))
  context.after(() => rm(home, { recursive: true }))
  const guide = await readFile(join(ROOT, 'docs/embedding.md'), 'utf8')
  const [, example] = /^```jsx\n([\s\S]*?)^```$/m.exec(guide)
  await writeFile(join(home, 'desk.jsx'), example.replaceAll('https://hub.example.com', hub.url))
  await writeFile(
    join(home, 'main.jsx'),
    `import { createRoot } from 'react-dom/client'
     import { Desk } from './desk.jsx'
     const getToken = async () => ${JSON.stringify(hub.token('ada', 'agent'))}
     createRoot(document.getElementById('app')).render(<Desk getToken={getToken} />)`,
  )
  const { outputFiles } = await build({
    entryPoints: [join(home, 'main.jsx')],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    nodePaths: [join(ROOT, 'tests/outside/node_modules')],
    logLevel: 'error',
  })
  host.serveAt('/main.js', outputFiles[0].text, 'text/javascript')
  const browser = await openBrowser()
  context.after(() => browser.dispose())
  const html =
    '<!doctype html><html lang="en"><title>CRM</title><body><div id="app"></div>' +
    '<script type="module" src="/main.js"></script></body></html>'
  const page = await openPage(browser.context, host.serve(html))
  const caller = bot(hub, 'ada', { token: hub.token('bot', 'provider') })
  context.after(() => caller.close())
  const call = caller.ring('Grace')
  await partsOf(page, 'ada').accept('Grace').click()
  assert.equal((await call.result).agentId, 'ada')
  await page.getByText('Talking: Grace wants to chat').waitFor()
  assert.deepEqual(page.faults, [])
})
