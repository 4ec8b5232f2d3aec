// The provider's console by what a person sees and does.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { axeFaults } from '../support/accessible.mjs'
import { openBrowser, openPage } from '../support/browser.mjs'
import { event, startHub } from '../support/hub.mjs'

const VIP = `
[[templates]]
name = "vip_call"
title = "{customerName|A customer} is calling"
icon = "phone"
timeout = "20s"
queueTimeout = "45s"
fields = [ { label = "Number", value = "{phoneNumber|unknown}" }, { label = "Queue", value = "{queue}" } ]
`
const CHAT = 'msdyn_chat_incoming_unauthenticated'
const EVIL = `<img src=x onerror="window.owned=1">'"\\\`\${1}`

describe('the console', () => {
  let hub
  let browser
  let page
  const agents = []
  before(async () => {
    hub = await startHub({ toml: VIP })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })
  beforeEach(async () => {
    page = await openPage(browser.context, `${hub.url}/console`)
    await page.getByText('connected', { exact: true }).waitFor()
    await page.getByLabel('Template', { exact: true }).selectOption(CHAT)
  })
  afterEach(async () => {
    for (const one of agents.splice(0)) one.close()
    assert.deepEqual(page.faults, [])
    await page.close()
  })
  async function agent(agentId) {
    const one = new Agent(hub.ws, { agentId })
    agents.push(one)
    await one.ready
    return one
  }
  const ring = () => page.getByRole('button', { name: 'Ring', exact: true }).click()
  const row = (name) => page.getByRole('table', { name: 'Calls' }).getByRole('row').filter({ hasText: name }).first()
  const code = (name) => page.getByRole('region', { name, exact: true })

  test('the form has a field for each placeholder of the template, with its default; some are required', async () => {
    const ada = await agent('ada')
    await page.getByLabel('Template', { exact: true }).selectOption('vip_call')
    const parameters = page.getByRole('group', { name: 'Parameters' })
    assert.deepEqual(
      await parameters.getByRole('textbox').evaluateAll((fields) => fields.map((field) => field.labels[0].textContent)),
      ['customerName', 'phoneNumber', 'queue'],
    )
    assert.equal(await parameters.getByLabel('phoneNumber').getAttribute('placeholder'), 'unknown')
    await page.getByText('“Grace Hopper is calling” rings for 20 s; waits 45 s for a free desk.').waitFor()
    await ring()
    assert.equal(
      await parameters.getByLabel('queue').evaluate((field) => field.matches(':invalid:focus')),
      true,
      'the browser asks for what is missing',
    )
    await parameters.getByLabel('customerName').fill('Katherine')
    await parameters.getByLabel('queue').fill('vip')
    const rung = event(ada, 'notification')
    await ring()
    const notification = await rung
    assert.equal(notification.title, 'Katherine is calling')
    assert.deepEqual(notification.fields, [
      { label: 'Number', value: 'unknown' },
      { label: 'Queue', value: 'vip' },
    ])
    await row('Katherine is calling')
      .getByRole('button', { name: /Cancel/ })
      .click()
    await row('Katherine is calling').getByText('cancelled by the caller').waitFor()
  })

  test('the table follows a call: ringing, outcome, reach, time; its session with KPI, activity, end', async () => {
    const ada = await agent('ada')
    const rung = event(ada, 'notification')
    await page.getByLabel('customerName').fill('Margaret')
    await ring()
    const call = row('Margaret wants to chat')
    await call.getByText('ringing …').waitFor()
    await call.getByRole('cell', { name: /^[1-9]\d*\.\d s$|^0\.[1-9] s$/ }).waitFor()
    const { notificationId } = await rung
    ada.seen(notificationId)
    await ada.accept(notificationId)
    await call.getByText('taken by ada').waitFor()
    await call.getByText('shown to 1, seen by 1, rejected by 0').waitFor()
    await page.getByText(/^The last .*: .*1 accepted/).waitFor()
    await call.getByRole('button', { name: /Session of Margaret/ }).click()
    const session = page.getByRole('group', { name: /Session of Margaret/ })
    const marked = event(ada, 'kpi', ({ breached }) => breached)
    await session.getByLabel('KPI details').fill('answer > 20 s')
    await session.getByRole('button', { name: 'Breach KPI' }).click()
    assert.equal((await marked).details, 'answer > 20 s')
    await session.getByRole('img', { name: 'in breach' }).waitFor()
    await code('JavaScript')
      .getByText(/await provider\.kpi\('.*', false, 'answer > 20 s'\)/)
      .waitFor()
    const cleared = event(ada, 'kpi', ({ breached }) => !breached)
    await session.getByRole('button', { name: 'Reset KPI' }).click()
    await cleared
    await session.getByRole('img', { name: 'in breach' }).waitFor({ state: 'hidden' })
    const counted = event(ada, 'activity', ({ count }) => count === 2)
    for (let n = 1; n <= 2; n++) {
      await session.getByRole('button', { name: 'New activity' }).click()
      await session.getByText(`${n} unread`).waitFor()
    }
    await counted
    const ended = event(ada, 'sessionEnded')
    await session.getByRole('button', { name: 'End session' }).click()
    await ended
    await call.getByText('taken by ada, ended').waitFor()
    await session.waitFor({ state: 'detached' })
  })

  test("a press on a call's button is a click, also if another row grows while it is down", async () => {
    const ada = await agent('ada')
    for (const name of ['Alan', 'Edsger']) {
      await page.getByLabel('customerName').fill(name)
      await ring()
      await row(name).getByText('ringing …').waitFor()
    }
    const cancel = row('Alan').getByRole('button', { name: /Cancel/ })
    await cancel.hover()
    const before = await cancel.boundingBox()
    await page.mouse.down()
    const told = page.getByRole('log', { name: 'Wire log' }).getByText('result', { exact: true })
    await ada.reject(
      ada.notifications.find(({ title }) => title.startsWith('Edsger')).notificationId,
      'a long story. '.repeat(15),
    )
    await told.first().waitFor()
    assert.deepEqual(await cancel.boundingBox(), before)
    await page.mouse.up()
    await row('Alan').getByText('cancelled by the caller').waitFor()
    await row('Edsger').getByText('declined by ada').waitFor()
  })

  test('a reject says why, an error says what is wrong', async () => {
    const ada = await agent('ada')
    const rung = event(ada, 'notification')
    await page.getByLabel('customerName').fill('Edsger')
    await ring()
    await ada.reject((await rung).notificationId, 'on break')
    await row('Edsger').getByText('declined by ada').waitFor()
    await row('Edsger').getByText('“on break”').waitFor()
    await page.getByText('More fields').click()
    await page.getByLabel('Another template, by name').fill('no_such')
    await ring()
    await row('no_such')
      .getByText(/NotificationTemplateNotFoundError: no template has the name "no_such"/)
      .waitFor()
  })

  test('the call stands there as JavaScript that makes it, and as the JSON that goes over the wire', async () => {
    await page.getByLabel('customerName').fill(EVIL)
    await page.getByText('More fields').click()
    await page.getByLabel('For agents').fill('ada, bob')
    await page.getByLabel('More parameters, a name=value on each line').fill('__proto__=1\nodd name=2')
    const wire = JSON.parse(await code('JSON on the wire').textContent())
    assert.equal(wire.type, 'notify')
    assert.equal(wire.templateParameters.customerName, EVIL)
    assert.deepEqual(wire.to, { agents: ['ada', 'bob'] })
    // The code shown and the message sent are the same call.
    const program = await code('JavaScript').textContent()
    const said = Function(`return (${/notify\((\{[\s\S]*\})\)$/.exec(program)[1]})`)()
    assert.deepEqual({ type: 'notify', id: wire.id, ...said }, wire)
    assert.match(program, /new Provider\('ws:\/\/127\.0\.0\.1:\d+\/ws', \{\n {2}providerId: 'console-/)
    // And the next press sends just that.
    await ring()
    const sent = page.getByRole('log', { name: 'Wire log' }).getByRole('listitem').filter({ hasText: 'notify' }).first()
    await sent.locator('summary').click()
    assert.deepEqual(JSON.parse(await sent.locator('pre').textContent()), wire)
    await row('img src')
      .getByRole('button', { name: /Cancel/ })
      .click()
    assert.equal(await page.evaluate(() => window.owned), undefined)
    await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const shown = await code('JavaScript').textContent()
    await page.getByRole('button', { name: 'Copy JavaScript' }).click()
    await page.getByText('Copied').waitFor()
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), shown)
  })

  test('templates that change are offered without a reload', async () => {
    await page.evaluate(() => {
      window.fetched = 0
      const { fetch } = window
      window.fetch = (...asked) => (window.fetched++, fetch(...asked))
    })
    const { writeFile } = await import('node:fs/promises')
    await writeFile(`${hub.home}/deskbell.toml`, `${VIP}\n[[templates]]\nname = "fresh"\ntitle = "{who}"\n`)
    await page.getByLabel('customerName').fill('Gra')
    const offered = () => page.getByLabel('Template', { exact: true }).locator('option', { hasText: 'fresh' }).count()
    for (const end = Date.now() + 20_000; !(await offered());) {
      assert.ok(Date.now() < end, 'the new template is not offered')
      await page.evaluate(() => window.dispatchEvent(new Event('focus')))
      await page.waitForTimeout(100)
    }
    assert.equal(await page.getByLabel('Template', { exact: true }).inputValue(), CHAT, 'the choice stays')
    // And the field that somebody types in is the one that it was.
    await page.keyboard.type('ce')
    assert.equal(await page.getByLabel('customerName').inputValue(), 'Grace')
  })

  test('after a reload the calls are as they were', async () => {
    const ada = await agent('ada')
    const rung = event(ada, 'notification')
    await page.getByLabel('customerName').fill('Grete')
    await ring()
    const { notificationId } = await rung
    await row('Grete').getByText('ringing …').waitFor()
    await page.reload()
    await row('Grete').getByText('ringing …').waitFor()
    // The same if the reload came before the ack.
    await page.evaluate(() => {
      const calls = JSON.parse(sessionStorage.getItem('deskbell.calls'))
      calls[0].state = 'sending'
      sessionStorage.setItem('deskbell.calls', JSON.stringify(calls))
    })
    await page.reload()
    await row('Grete').getByText('ringing …').waitFor()
    await ada.accept(notificationId)
    await row('Grete').getByText('taken by ada').waitFor()
    await page.reload()
    await row('Grete').getByText('taken by ada').waitFor()
  })

  test('axe-core finds nothing, in both themes, and nothing sticks out at 320 pixels', async () => {
    const ada = await agent('ada')
    const rung = event(ada, 'notification')
    await page.getByLabel('customerName').fill(`Maria Salomea Skłodowska-Curie ${'x'.repeat(80)}`)
    await ring()
    await ada.accept((await rung).notificationId)
    await page.getByRole('button', { name: /^Session of Maria/ }).click()
    await page.getByText('More fields').click()
    for (const width of [1280, 320]) {
      await page.setViewportSize({ width, height: 900 })
      assert.deepEqual(await axeFaults(page), [])
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width)
    }
  })
})

test('where the hub asks for tokens, the console takes one, and lists the templates with it', async (context) => {
  const hub = await startHub({ secret: 'a secret of these tests, long enough to be one', toml: VIP })
  context.after(() => hub.dispose())
  const browser = await openBrowser()
  context.after(() => browser.dispose())
  const page = await openPage(browser.context, `${hub.url}/console`)
  await page.getByLabel('Sign-in token').fill(hub.token('bot', 'provider'))
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('connected', { exact: true }).waitFor()
  await page.getByLabel('Template', { exact: true }).selectOption('vip_call')
  await page.getByRole('region', { name: 'JavaScript', exact: true }).getByText("token: '…'").waitFor()
})
