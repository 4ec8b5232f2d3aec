// A page from elsewhere that opens, frames, and talks to the hub's own pages; and the desk's worker, which is nobody
// else's.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { Provider } from '../../client-demo/sdk/deskbell.js'
import { openBrowser, openPage } from '../support/browser.mjs'
import {
  bot,
  openDesk,
  partsOf,
  pressToast,
  setVisible,
  TEMPLATES,
  toasted,
  until,
  watchToasts,
} from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'

const EVIL = '"><img src=x onerror="window.owned=1"> javascript:window.owned=1'

describe('a page from elsewhere', () => {
  let hub
  let browser
  let server
  let origin
  before(async () => {
    hub = await startHub({ toml: TEMPLATES })
    browser = await openBrowser()
    server = createServer((_, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>elsewhere</title>'),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://localhost:${server.address().port}`
  })
  after(async () => {
    await browser?.dispose()
    server?.close()
    await hub?.dispose()
  })

  test("cannot frame the hub's pages", async () => {
    const page = await browser.context.newPage()
    await page.goto(origin)
    for (const path of ['/', '/desk?agent=ada', '/console', '/dashboard']) {
      const refused = page.waitForEvent('console', (message) => /frame-ancestors/.test(message.text()))
      await page.evaluate(
        (url) => document.body.append(Object.assign(document.createElement('iframe'), { src: url })),
        `${hub.url}${path}`,
      )
      await refused
    }
    assert.equal(page.frames().filter((frame) => frame.url().startsWith(hub.url)).length, 0)
    await page.close()
  })

  test('cannot control a desk that it has opened: not navigate it, not close it, not answer', async (context) => {
    const page = await browser.context.newPage()
    await page.goto(origin)
    const opened = browser.context.waitForEvent('page')
    await page.evaluate((url) => {
      window.desk = window.open(url)
    }, `${hub.url}/desk?agent=ada`)
    const desk = await opened
    desk.setDefaultTimeout(30_000)
    await desk.waitForURL(`${hub.url}/desk?agent=ada`)
    const parts = partsOf(desk, 'ada')
    await parts.connected()
    const caller = bot(hub, 'ada')
    context.after(() => caller.close())
    const call = caller.ring('Grace')
    await parts.card('Grace').waitFor()
    assert.equal(await desk.evaluate(() => window.opener), null)
    const held = await page.evaluate((elsewhere) => {
      const { desk } = window
      for (const type of ['deskbell.toast', 'accept', 'refresh'])
        desk.postMessage({ type, desk: 'default ada', action: 'accept', notificationId: '' }, '*')
      try {
        desk.location = elsewhere
      } catch {
        /* it is another's */
      }
      const { closed } = desk
      desk.close()
      return !closed
    }, `${origin}/phishing`)
    assert.equal(held, false, 'the page that opened it still holds it')
    // A navigation would have ended the page by now; it still answers.
    await parts.card('Grace').waitFor()
    assert.equal(new URL(desk.url()).origin, hub.url)
    assert.ok(!browser.context.pages().some((one) => one.url().includes('phishing')))
    await call.cancel()
    await desk.close()
    await page.close()
  })

  test("cannot register the desk's worker, nor any for the hub", async () => {
    const page = await browser.context.newPage()
    await page.goto(origin)
    const tried = await page.evaluate(async (url) => {
      const outcome = (promise) =>
        promise.then(
          () => 'done',
          (error) => error.name,
        )
      return [
        await outcome(navigator.serviceWorker.register(`${url}/desk-worker.js`)),
        await outcome(navigator.serviceWorker.register(`${url}/desk-worker.js`, { scope: `${url}/` })),
        await outcome(navigator.serviceWorker.getRegistration(url)),
      ]
    }, hub.url)
    assert.deepEqual(tried, ['SecurityError', 'SecurityError', 'SecurityError'])
    await page.close()
  })

  test('finds nothing of it in the address: what stands there is text', async () => {
    for (const path of ['/', '/desk', '/console', '/dashboard']) {
      const page = await openPage(
        browser.context,
        `${hub.url}${path}?agent=${encodeURIComponent(EVIL)}&token=${encodeURIComponent(EVIL)}#${EVIL}`,
      )
      await page
        .getByText(/^connected$/i)
        .first()
        .waitFor()
      assert.equal(await page.evaluate(() => window.owned), undefined)
      assert.equal(await page.locator('img[src="x"]').count(), 0)
      assert.deepEqual(page.faults, [])
      await page.close()
    }
  })
})

describe("the desk's worker", () => {
  let hub
  let browser
  before(async () => {
    hub = await startHub({ toml: TEMPLATES })
    browser = await openBrowser()
    await watchToasts(browser.context)
    await browser.context.grantPermissions(['notifications'], { origin: hub.url })
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })

  test('serves the desk only: it answers no request, keeps nothing, opens nothing else', async (context) => {
    const desk = await openDesk(browser.context, hub, 'javascript:alert(1)//')
    const state = () =>
      desk.evaluate(async () => {
        const registrations = await navigator.serviceWorker.getRegistrations()
        return {
          scopes: registrations.map(({ scope }) => new URL(scope).pathname),
          caches: await caches.keys(),
          databases: (await indexedDB.databases()).map(({ name }) => name),
        }
      })
    const nothing = { scopes: ['/desk'], caches: [], databases: [] }
    await until(state, nothing)
    for (const path of ['/', '/console', '/dashboard']) {
      const page = await openPage(browser.context, `${hub.url}${path}`)
      assert.equal(await page.evaluate(() => navigator.serviceWorker.controller), null, path)
      await page.close()
    }
    const provider = new Provider(hub.ws, { providerId: EVIL })
    context.after(() => provider.close())
    await setVisible(desk, false)
    const title = 'javascript:alert(2)// wants to chat'
    const call = provider.notify({
      templateName: 'chat',
      templateParameters: { customerName: 'javascript:alert(2)//' },
      sessionId: 'http://evil.example/',
      id: EVIL,
    })
    await toasted([desk], [title])
    const pages = browser.context.pages().length
    const { data } = await pressToast(desk, title, '')
    assert.deepEqual(new URL(data.url).origin + new URL(data.url).pathname, `${hub.url}/desk`)
    await desk.getByRole('article', { name: title }).getByRole('button').first().click()
    assert.equal((await call).value.actionName, 'Accept')
    assert.equal(browser.context.pages().length, pages)
    assert.deepEqual(await state(), nothing)
    await desk.close()
  })
})
