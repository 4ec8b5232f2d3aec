// The hub goes away in mid-ring, and the people at the pages lose nothing.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connected, openBrowser, openPlayground } from '../support/browser.mjs'
import { late, startHub } from '../support/hub.mjs'

describe('restarts under an open page', () => {
  let browser
  before(async () => {
    browser = await openBrowser()
  })
  after(() => browser?.dispose())

  for (const [how, end] of [
    ['killed', 'kill'],
    ['stopped', 'stop'],
  ]) {
    test(`${how} in mid-ring: everybody comes back, and the outcome arrives`, async (context) => {
      const hub = await startHub()
      context.after(() => hub.dispose())
      const page = await openPlayground(browser.context, hub)
      const { provider, ada, bob } = page
      await provider.ring('Grace')
      await ada.card(/Grace/).waitFor()
      await bob.card(/Grace/).waitFor()
      await hub[end]()
      await provider.region.getByText(/^not connected|^trying again/).waitFor()
      // The agent answers while the hub is down.
      await ada.card(/Grace/).getByRole('button', { name: 'Accept' }).click()
      await hub.start()
      await provider.call('Grace').getByText('taken by ada').waitFor()
      await bob.card(/Grace/).waitFor({ state: 'detached' })
      await ada.session(/Grace/).waitFor()
      for (const one of [provider, ada, bob]) await connected(one)
      assert.deepEqual(page.faults, [])
      await page.close()
    })
  }

  test('a hub that flaps: each call of a page settles exactly once', async (context) => {
    const hub = await startHub()
    context.after(() => hub.dispose())
    const page = await openPlayground(browser.context, hub)
    await page.evaluate(async () => {
      const { Agent, Provider } = await import('/sdk/deskbell.js')
      const bot = new Provider('/ws')
      const desk = new Agent('/ws', { agentId: 'zoe' })
      const accept = ({ notificationId }) => desk.accept(notificationId).catch(() => {})
      desk.on('notification', accept)
      desk.on('welcome', ({ notifications }) => notifications.forEach(accept))
      window.settled = {}
      window.calls = Array.from({ length: 15 }, async (_, n) => {
        await new Promise((done) => setTimeout(done, n * 100))
        const count = () => {
          window.settled[n] = (window.settled[n] ?? 0) + 1
        }
        return bot.notify({ templateName: 'msdyn_call_incoming', to: { agents: ['zoe'] } }).then(
          (result) => (count(), result),
          (error) => (count(), error),
        )
      })
    })
    for (let n = 0; n < 3; n++) {
      await late(300)
      await hub.kill()
      await hub.start()
    }
    const results = await page.evaluate(() => Promise.all(window.calls))
    assert.deepEqual(
      results.map(({ value, detail }) => value?.actionName ?? detail),
      Array(15).fill('Accept'),
    )
    assert.equal(new Set(results.map(({ notificationId }) => notificationId)).size, 15)
    assert.deepEqual(await page.evaluate(() => Object.values(window.settled)), Array(15).fill(1))
    await page.close()
  })

  test('a page that is offline for a while comes back when the network does', async (context) => {
    const hub = await startHub()
    context.after(() => hub.dispose())
    const page = await openPlayground(browser.context, hub)
    await hub.kill()
    await page.ada.region.getByText(/^Not connected since/).waitFor()
    await hub.start()
    await page.evaluate(() => window.dispatchEvent(new Event('online')))
    for (const one of [page.provider, page.ada, page.bob]) await connected(one)
    await page.provider.ring('Joan')
    await page.ada.card(/Joan/).waitFor()
    await page.close()
  })

  test('a page in the background reconnects too', async (context) => {
    const hub = await startHub()
    context.after(() => hub.dispose())
    const page = await openPlayground(browser.context, hub)
    const front = await browser.context.newPage()
    await front.bringToFront()
    await hub.kill()
    await hub.start()
    await connected(page.ada)
    await page.provider.region.getByRole('button', { name: 'Ring', exact: true }).evaluate((button) => button.click())
    await page.ada.card(/Grace Hopper/).waitFor()
    await front.close()
    await page.close()
  })
})
