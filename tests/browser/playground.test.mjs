// The playground by what a person sees and does.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { connected, openBrowser, openPage, openPlayground, parts } from '../support/browser.mjs'
import { startHub } from '../support/hub.mjs'

describe('the playground', () => {
  let hub
  let browser
  let page
  before(async () => {
    hub = await startHub()
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })
  const open = async () => (page = await openPlayground(browser.context, hub))
  afterEach(async () => {
    assert.deepEqual(page.faults, [])
    await page.close()
  })

  test('a newcomer presses Ring, answers, and sees the outcome with its reach', async () => {
    const { provider, ada, bob } = await open()
    await provider.region.getByRole('button', { name: 'Ring', exact: true }).click()
    await ada
      .card(/Grace Hopper/)
      .getByText(/^[12]:\d\d$/)
      .waitFor()
    await bob.card(/Grace Hopper/).waitFor()
    await ada
      .card(/Grace Hopper/)
      .getByRole('button', { name: 'Accept' })
      .click()
    const call = provider.call('Grace Hopper')
    await call.getByText('taken by ada').waitFor()
    await call.getByText(/shown to 2, seen by [12], rejected by 0/).waitFor()
    await ada.session(/Grace Hopper/).waitFor()
    await bob.recent.getByText(/Grace Hopper.*: taken by ada/).waitFor()
    await ada.recent.getByText(/Grace Hopper.*: taken by you/).waitFor()
    assert.equal(await bob.ringing.getByRole('article').count(), 0)
  })

  test('two agents race in two windows: one has it, the other is told who', async () => {
    await open()
    const alone = await Promise.all(
      ['carol', 'dave'].map((name) => openPage(browser.context, `${hub.url}/desk?agent=${name}`)),
    )
    const accepts = alone.map((one) =>
      one.getByRole('article', { name: /Katherine/ }).getByRole('button', { name: 'Accept' }),
    )
    for (const one of alone) await one.getByText('Connected', { exact: true }).waitFor()
    await page.provider.ring('Katherine')
    await Promise.all(accepts.map((button) => button.waitFor()))
    await Promise.all(accepts.map((button) => button.evaluate((node) => node.click())))
    const outcome = await page.provider
      .call('Katherine')
      .getByText(/taken by (carol|dave)/)
      .textContent()
    const winner = outcome.includes('carol') ? 'carol' : 'dave'
    for (const [index, name] of ['carol', 'dave'].entries()) {
      const one = alone[index]
      await one
        .getByText(`: taken by ${name === winner ? 'you' : winner}`)
        .first()
        .waitFor()
      const sessions = one
        .getByRole('list', { name: 'Sessions' })
        .getByRole('listitem')
        .filter({ hasText: 'Katherine' })
      assert.equal(await sessions.count(), name === winner ? 1 : 0)
      assert.deepEqual(one.faults, [])
      await one.close()
    }
  })

  test('a reject with its reason reaches the caller', async () => {
    const { provider, ada, bob } = await open()
    await provider.ring('Edsger')
    const card = bob.card(/Edsger/)
    await card.getByLabel(/^Reason for rejecting/).fill('on break')
    await card.getByRole('button', { name: 'Reject' }).click()
    await provider.call('Edsger').getByText('declined by bob').waitFor()
    await provider
      .call('Edsger')
      .getByText(/on break/)
      .waitFor()
    await ada.recent.getByText(/Edsger.*: declined by bob/).waitFor()
  })

  test('a cancel closes both desks', async () => {
    const { provider, ada, bob } = await open()
    await provider.ring('Barbara')
    await ada.card(/Barbara/).waitFor()
    await bob.card(/Barbara/).waitFor()
    await provider.call('Barbara').getByRole('button', { name: 'Cancel' }).click()
    await provider.call('Barbara').getByText('cancelled by the caller').waitFor()
    for (const desk of [ada, bob]) {
      await desk.recent.getByText(/Barbara.*: cancelled by the caller/).waitFor()
      assert.equal(await desk.card(/Barbara/).count(), 0)
    }
  })

  test('a KPI breach marks the session, and clears; unread counts rise; the session ends', async () => {
    const { provider, ada, bob } = await open()
    await provider.ring('Margaret', { Session: 'conv-margaret' })
    await ada
      .card(/Margaret/)
      .getByRole('button', { name: 'Accept' })
      .click()
    const call = provider.session(/Margaret/)
    await call.getByLabel('KPI details').fill('answer > 20 s')
    await call.getByRole('button', { name: 'Breach KPI' }).click()
    const session = ada.session(/Margaret/)
    await session.getByRole('img', { name: 'KPI breach: answer > 20 s' }).waitFor()
    await bob.elsewhere.getByText('1 breach at another desk').click()
    await bob.elsewhere.getByText('Session conv-margaret: answer > 20 s').waitFor()
    await call.getByRole('button', { name: 'Reset KPI' }).click()
    await session.getByRole('img', { name: /KPI breach/ }).waitFor({ state: 'hidden' })
    await bob.elsewhere.getByText(/conv-margaret/).waitFor({ state: 'detached' })
    for (const unread of [1, 2]) {
      await call.getByRole('button', { name: 'New activity' }).click()
      await session.getByText(`${unread} unread`).waitFor()
    }
    await ada.region.getByRole('button', { name: /End session: .*Margaret/ }).press('Enter')
    await session.waitFor({ state: 'detached' })
  })

  test('who is away is not rung', async () => {
    const { provider, ada, bob } = await open()
    await bob.available.uncheck()
    await page.wire.getByText('"away"').first().waitFor()
    await provider.ring('Radia')
    await ada.card(/Radia/).waitFor()
    assert.equal(await bob.card(/Radia/).count(), 0)
    await bob.available.check()
    await bob.card(/Radia/).waitFor()
    await bob.card(/Radia/).getByRole('button', { name: 'Accept' }).click()
    await provider.call('Radia').getByText('taken by bob').waitFor()
  })

  test('one desk only, and a template that is not there', async () => {
    const { provider, ada, bob } = await open()
    await provider.ring('Frances', { 'For agents': 'bob' })
    await bob
      .card(/Frances/)
      .getByRole('button', { name: 'Accept' })
      .click()
    await provider
      .call('Frances')
      .getByText(/shown to 1,/)
      .waitFor()
    assert.equal(await ada.recent.getByText(/Frances/).count(), 0)
    await provider.ring('Nobody', { 'Another template, by name': 'no_such_template' })
    await provider
      .call('Nobody')
      .getByText(/NotificationTemplateNotFoundError: .*no_such_template/)
      .waitFor()
  })

  test('every message is shown as it passes, and can be opened', async () => {
    const { provider, bob, wire } = await open()
    await provider.ring('Hedy')
    await bob.card(/Hedy/).getByRole('button', { name: 'Accept' }).click()
    await provider.call('Hedy').getByText('taken by bob').waitFor()
    const log = wire.getByRole('log', { name: 'Wire log' })
    for (const text of ['provider → hub', 'hub → provider', 'hub → ada', 'bob → hub'])
      await log.getByText(text).first().waitFor()
    for (const type of ['notify', 'ack', 'notification', 'accept', 'closed', 'session', 'result'])
      await log.getByText(type, { exact: true }).first().waitFor()
    await log.getByRole('listitem').filter({ hasText: 'notify' }).first().locator('summary').click()
    await log.getByText('"templateName": "msdyn_chat_incoming_unauthenticated"').waitFor()
    await wire.getByRole('button', { name: 'Clear' }).click()
    assert.equal(await log.getByRole('listitem').count(), 0)
  })

  test('a press on a message of the wire opens it, whatever passes while it is down', async () => {
    const { provider, ada, bob, wire } = await open()
    const log = wire.getByRole('log', { name: 'Wire log' })
    // As many as there is room for, and more.
    for (let n = 1; n <= 6; n++) {
      await provider.ring(`Ida ${n}`)
      // By a key: no pointer is as fast as to mean another row by the next click.
      await provider.call(`Ida ${n}`).getByRole('button', { name: 'Cancel' }).press('Enter')
      await ada.recent.getByText(`Ida ${n}`).waitFor()
    }
    for (const desk of [ada, bob]) await desk.ringing.getByRole('listitem').first().waitFor({ state: 'detached' })
    const last = log.getByRole('listitem').filter({ hasText: 'Ida 6' }).first()
    await last.locator('summary').hover()
    const before = await last.boundingBox()
    await page.mouse.down()
    await bob.available.evaluate((control) => control.click())
    await log.getByText('"presence":"away"').last().waitFor()
    assert.deepEqual(await last.boundingBox(), before)
    await page.mouse.up()
    await log.getByText('"customerName": "Ida 6"').waitFor()
    await bob.available.check()
    await log.getByText('"presence":"available"}').last().waitFor()
  })

  test('a thing has the same name on every page', async () => {
    await open()
    const links = () => page.getByRole('navigation', { name: 'More' }).getByRole('link').allTextContents()
    const names = await links()
    for (const path of ['console', 'dashboard']) {
      await page.goto(`${hub.url}/${path}`)
      assert.deepEqual(await links(), names, path)
    }
    // The links are for developers and supervisors; an agent's page has none.
    await page.goto(`${hub.url}/desk?agent=zoe`)
    await page.getByText('Connected', { exact: true }).waitFor()
    assert.equal(await page.getByRole('link').count(), 0)
  })

  test('after a reload the desk and the calls are as they were', async () => {
    const { provider, ada } = await open()
    await provider.ring('Grete')
    await ada.card(/Grete/).waitFor()
    await page.reload()
    await ada.card(/Grete/).getByRole('button', { name: 'Accept' }).click()
    await provider.call('Grete').getByText('taken by ada').waitFor()
    await page.reload()
    await provider.call('Grete').getByText('taken by ada').waitFor()
    await ada.session(/Grete/).waitFor()
  })

  test('console and desk also stand alone, and everything that is linked is there', async () => {
    await open()
    for (const href of await page.getByRole('link').evaluateAll((links) => links.map((link) => link.href))) {
      const response = await page.request.get(href)
      assert.equal(response.status(), 200, href)
    }
    await page.getByRole('link', { name: 'Console', exact: true }).click()
    const alone = parts(page)
    await connected(alone.provider)
    // Nobody lands on another agent's desk: the page asks who it is.
    await page.getByRole('link', { name: 'Desk', exact: true }).click()
    await page.getByLabel('Your agent name').fill('ada')
    await page.keyboard.press('Enter')
    await connected(alone.ada)
    assert.equal(
      (await page.request.get(`${hub.url}/sdk/deskbell.js`)).headers()['content-type'].split(';')[0],
      'text/javascript',
    )
  })

  test('nothing sticks out at 320 pixels', async () => {
    await open()
    await page.setViewportSize({ width: 320, height: 640 })
    await page.provider.ring('Maria Salomea Skłodowska-Curie', { Session: 'x'.repeat(100) })
    await page.ada.card(/Curie/).getByRole('button', { name: 'Accept' }).click()
    await page.ada.session(/Curie/).waitFor()
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320)
  })

  test('every control has a name', async () => {
    await open()
    await page.provider.ring('Mary')
    await page.ada.card(/Mary/).waitFor()
    const nameless = await page
      .locator('button, input, select, textarea, a, [role]:not([role=alert], [role=cell])')
      .evaluateAll((nodes) =>
        nodes
          .filter((node) => !(node.labels?.length || node.getAttribute('aria-label') || node.textContent.trim()))
          .map((node) => node.outerHTML),
      )
    assert.deepEqual(nameless, [])
    await page.provider.call('Mary').getByRole('button', { name: 'Cancel' }).click()
    await page.ada.recent.getByText(/Mary/).waitFor()
  })
})
