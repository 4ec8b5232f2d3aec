// What the winner of a call keeps on the desk: the customer's lines, numbers to call, and the customer's page.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { openBrowser } from '../support/browser.mjs'
import { bot, openDesk, partsOf } from '../support/desk.mjs'
import { hostPage } from '../support/host-page.mjs'
import { startHub } from '../support/hub.mjs'

describe('the customer of a session', () => {
  let crm
  let hub
  let browser
  before(async () => {
    crm = await hostPage()
    crm.serveAt('/cases/a%2F7', '<!doctype html><title>Case</title>', 'text/html')
    hub = await startHub({
      toml: `
        [[templates]]
        name = "case"
        title = "{customerName} is calling"
        icon = "phone"
        link = "${crm.origin}/cases/{case}"
        fields = [ { label = "Number", value = "{number}" }, { label = "Queue", value = "{queue|Support}" } ]`,
    })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
    crm?.close()
  })
  /** A desk, and a caller that rings at it. */
  async function setUp(context, agentId) {
    const desk = await openDesk(browser.context, hub, agentId)
    const caller = bot(hub, agentId)
    context.after(async () => {
      caller.close()
      assert.deepEqual(desk.faults, [])
      await desk.close()
    })
    const ring = (customerName, number = '+1 (555) 010-0100') =>
      caller.ring(customerName, { templateName: 'case', templateParameters: { customerName, number, case: 'a/7' } })
    return { desk, ring }
  }

  test('an accept shows lines, number and page, also after a reload', async (context) => {
    const { desk, ring } = await setUp(context, 'ada')
    ring('Grace')
    await desk.accept('Grace is calling').click()
    for (let round = 0; round < 2; round++) {
      const session = partsOf(desk, 'ada').session('Grace is calling')
      await session.getByText('Support', { exact: true }).waitFor()
      const number = session.getByRole('link', { name: '+1 (555) 010-0100' })
      assert.equal(await number.getAttribute('href'), 'tel:+15550100100')
      const page = session.getByRole('link', { name: 'Customer page: Grace is calling' })
      assert.equal(await page.getAttribute('href'), `${crm.origin}/cases/a%2F7`)
      assert.deepEqual(await page.evaluate(({ target, rel }) => [target, rel]), ['_blank', 'noopener noreferrer'])
      const face = await session.locator('.face svg').evaluate((picture) => picture.outerHTML)
      assert.match(face, /M6\.6 3\.5/, 'the picture of a telephone')
      await desk.reload()
    }
    const opened = browser.context.waitForEvent('page')
    await desk.getByRole('link', { name: 'Customer page' }).click()
    const page = await opened
    assert.equal(page.url(), `${crm.origin}/cases/a%2F7`)
    assert.equal(await page.evaluate(() => [window.opener, document.referrer].join()), ',')
    await page.close()
  })

  test('a line that is no telephone number is text', async (context) => {
    const { desk, ring } = await setUp(context, 'bob')
    for (const number of ['12345', 'order 4711-22-33', '<b>1234567</b>']) {
      ring(number, number)
      await desk.accept(`${number} is calling`).click()
      const session = desk.session(`${number} is calling`)
      await session.getByText(number, { exact: true }).waitFor()
      assert.equal(await session.getByRole('link').count(), 1, 'only the page')
    }
  })

  test('an agent can choose that the page opens at once, in the tab that accepted', async (context) => {
    const { desk, ring } = await setUp(context, 'cleo')
    const other = await openDesk(browser.context, hub, 'cleo')
    await desk.bringToFront()
    await desk.menu.click()
    await desk.getByRole('checkbox', { name: 'Open the customer page when I accept' }).check()
    await desk.keyboard.press('Escape')
    const pages = []
    browser.context.on('page', (page) => pages.push(page))
    const opened = browser.context.waitForEvent('page')
    ring('Linus')
    await desk.accept('Linus is calling').click()
    await (await opened).waitForURL(`${crm.origin}/cases/a%2F7`)
    await other.session('Linus is calling').waitFor()
    assert.equal(pages.length, 1)
    await pages[0].close()
    await other.close()
  })
})
