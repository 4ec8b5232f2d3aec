// The examples of docs/embedding.md, opened as they are printed; and the frame that a hub allows.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openBrowser, openPage } from '../support/browser.mjs'
import { bot, partsOf, TEMPLATES } from '../support/desk.mjs'
import { hostPage } from '../support/host-page.mjs'
import { ROOT, startHub } from '../support/hub.mjs'

const guide = await readFile(join(ROOT, 'docs/embedding.md'), 'utf8')
const blocks = (language) => [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))]
const [byName, byToken, framed] = blocks('html').map(([, text]) => text)
const [script] = blocks('js').map(([, text]) => text)

describe('the examples of docs/embedding.md', () => {
  let host
  let browser
  let hub
  before(async () => {
    host = await hostPage()
    browser = await openBrowser()
    hub = await startHub({
      toml: `[server]\nframeAncestors = ["${host.origin}"]\n${TEMPLATES}`,
      flags: ['--allowed-origin', host.origin],
    })
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
    host?.close()
  })
  const of = (text, one) => text.replaceAll('https://hub.example.com', one.url)

  /** Rings for Ada, who accepts in that page or frame. */
  async function answered(context, view, one = hub, provider = bot(one, 'ada')) {
    context.after(() => provider.close())
    const call = provider.ring('Grace')
    const desk = partsOf(view, 'ada')
    await desk.accept('Grace').click()
    assert.equal((await call.result).agentId, 'ada')
    await desk.session('Grace').first().waitFor()
  }

  test('the element in plain HTML', async (context) => {
    const page = await openPage(browser.context, host.serve(of(byName, hub)))
    await answered(context, page)
    assert.deepEqual(page.faults, [])
    await page.close()
  })

  test('the element with a token function, and its event', async (context) => {
    const guarded = await startHub({
      toml: TEMPLATES,
      secret: 'a secret of these tests, long enough to be one',
      flags: ['--allowed-origin', host.origin],
    })
    context.after(() => guarded.dispose())
    host.serveAt('/deskbell-token', guarded.token('ada', 'agent'), 'text/plain')
    host.serveAt('/crm.js', script, 'text/javascript')
    const html = of(byToken, guarded).replaceAll('https://crm.example.com', host.origin)
    const page = await openPage(browser.context, host.serve(html))
    await answered(context, page, guarded, bot(guarded, 'ada', { token: guarded.token('bot', 'provider') }))
    await page.getByRole('main').getByText('Record of Grace wants to chat').waitFor()
    assert.deepEqual(page.faults, [])
    await page.close()
  })

  test('a frame, which the hub allows to that origin only', async (context) => {
    const page = await openPage(browser.context, host.serve(of(framed, hub).replace('&theme', '&language=en&theme')))
    await answered(context, page.frameLocator('iframe'))
    assert.deepEqual(page.faults, [])
    await page.close()
    const other = await hostPage()
    context.after(() => other.close())
    const foreign = await browser.context.newPage()
    const refused = foreign.waitForEvent('console', (message) => /frame-ancestors/.test(message.text()))
    await foreign.goto(other.serve(of(framed, hub)))
    await refused
    await foreign.close()
  })
})
