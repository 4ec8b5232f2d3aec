// Whatever a client sends is text to the pages: a try to inject through every field.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Agent, Provider } from '../../client-demo/sdk/deskbell.js'
import { openBrowser, openPage, openPlayground } from '../support/browser.mjs'
import { startHub } from '../support/hub.mjs'

const EVIL = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>\'"&lt;'

describe('hostile text', () => {
  let hub
  let browser
  before(async () => {
    hub = await startHub({
      toml: `
[[templates]]
name = "evil"
title = "{customerName}"
icon = "__proto__"
buttons = { accept = ${JSON.stringify(EVIL)}, reject = ${JSON.stringify('no ' + EVIL)} }
fields = [ { label = ${JSON.stringify(EVIL)}, value = "{customerName}" } ]
`,
    })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })

  /** The hostile text had no effect: no script ran, and no element was created from it. */
  async function harmless(page) {
    assert.equal(await page.evaluate(() => window.owned), undefined)
    assert.equal(await page.locator('img[src="x"]').count(), 0)
    assert.equal(await page.locator('script:not([src])').count(), 0)
  }

  test('through every field that a provider has', async () => {
    const page = await openPlayground(browser.context, hub)
    const bot = new Provider(hub.ws, { providerId: EVIL })
    const call = bot.notify({
      templateName: 'evil',
      templateParameters: { customerName: EVIL, [EVIL]: EVIL },
      sessionId: EVIL,
      cancellationToken: EVIL,
      id: EVIL,
    })
    const card = page.ada.ringing.getByRole('article')
    await card.waitFor()
    assert.equal(await card.getByRole('heading').textContent(), EVIL)
    assert.equal(await card.getByRole('definition').textContent(), EVIL)
    await card.getByText(EVIL, { exact: true }).and(card.getByRole('button')).click()
    await call
    await bot.kpi(EVIL, false, EVIL)
    await page.ada
      .session(EVIL)
      .getByRole('img', { name: `KPI breach: ${EVIL}` })
      .waitFor()
    await page.bob.elsewhere.getByText('1 breach at another desk').click()
    await page.bob.elsewhere.getByText(EVIL).waitFor()
    await page.ada.recent.getByText(EVIL).waitFor()
    await harmless(page)
    bot.close()
    await page.close()
  })

  test("through the console's own fields, the errors that come back, and what is kept over a reload", async () => {
    const page = await openPlayground(browser.context, hub)
    await page.provider.ring(EVIL, { 'Another template, by name': EVIL })
    await page.provider.calls.getByText(/NotificationTemplateNotFoundError/).waitFor()
    await page.provider.region.getByText('More fields').click()
    await page.provider.region.getByLabel('Another template, by name').fill('')
    await page.provider.region.getByText('More fields').click()
    await page.provider.ring(EVIL, {
      template: 'evil',
      'More parameters, a name=value on each line': `${EVIL}\nx=${EVIL}`,
      Session: `${EVIL}2`,
      'Cancellation token': EVIL,
    })
    const card = page.bob.ringing.getByRole('article').first()
    await card.getByLabel(/^Reason for rejecting/).fill(EVIL)
    await card.getByRole('button', { name: /^no / }).click()
    await page.provider.call(EVIL).getByText(`“${EVIL}”`).waitFor()
    await harmless(page)
    await page.reload()
    await page.provider.call(EVIL).getByText('declined by bob').waitFor()
    await harmless(page)
    await page.close()
  })

  test("through an agent's name, and a reason that another agent gives", async () => {
    const page = await openPage(browser.context, `${hub.url}/desk?agent=${encodeURIComponent(EVIL)}`)
    await page.getByRole('heading', { name: `Desk of ${EVIL}` }).waitFor()
    await page.getByText('Connected', { exact: true }).waitFor()
    const bot = new Provider(hub.ws)
    const call = bot.notify({ templateName: 'evil', templateParameters: { customerName: 'one' } })
    await page.getByRole('article', { name: 'one' }).waitFor()
    const other = new Agent(hub.ws, { agentId: `${EVIL}other` })
    await other.ready
    await other.reject(other.notifications[0].notificationId, EVIL)
    await call
    await page.getByText(`one: declined by ${EVIL}other`).first().waitFor()
    await harmless(page)
    for (const one of [bot, other]) one.close()
    await page.close()
  })

  test('the pages are served under a policy that allows no inline script or style', async () => {
    for (const path of ['/', '/desk?agent=ada', '/console', '/dashboard']) {
      const response = await browser.context.request.get(`${hub.url}${path}`)
      const policy = response.headers()['content-security-policy'] ?? ''
      assert.match(policy, /default-src 'none'/, path)
      assert.match(policy, /script-src 'self'(;|$)/, path)
      assert.match(policy, /style-src 'self'(;|$)/, path)
      assert.doesNotMatch(await response.text(), /<script(?![^>]*src=)|<style| style=| on\w+=/, path)
    }
  })
})
