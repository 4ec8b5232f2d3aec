// The dashboard by what a supervisor sees.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { EVENTS_MAX, DashboardModel, KNOWN_MAX } from '../../client-demo/demo/dashboard-model.js'
import { Agent, Provider } from '../../client-demo/sdk/deskbell.js'
import { axeFaults } from '../support/accessible.mjs'
import { openBrowser, openPage } from '../support/browser.mjs'
import { event, startHub } from '../support/hub.mjs'

const CHAT = 'msdyn_chat_incoming_unauthenticated'
const QUICK = '[[templates]]\nname = "quick"\ntitle = "quick"\ntimeout = "300ms"\n'

describe('the dashboard', () => {
  let hub
  let browser
  let page
  const clients = []
  before(async () => {
    hub = await startHub({ toml: QUICK })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })
  afterEach(async () => {
    for (const one of clients.splice(0)) one.close()
    assert.deepEqual(page.faults, [])
    await page.close()
  })
  async function open() {
    page = await openPage(browser.context, `${hub.url}/dashboard`)
    await page.getByText('connected', { exact: true }).waitFor()
  }
  async function client(Kind, options) {
    const one = new Kind(hub.ws, options)
    clients.push(one)
    await one.ready
    return one
  }
  const part = (name) => page.getByRole('region', { name, exact: true })
  const row = (table, ...texts) =>
    texts.reduce(
      (rows, text) => rows.filter({ hasText: text }),
      page.getByRole('table', { name: table }).getByRole('row'),
    )

  test('agents, presence, open notifications, outcomes, answer times, breaches, filtered events', async () => {
    const early = await client(Agent, { agentId: 'early' })
    await open()
    await page.getByText(/^Recorded since \d.*\.$/).waitFor()
    await part('Agents')
      .getByText(/1 connected before this page was opened/)
      .waitFor()
    const ada = await client(Agent, { agentId: 'ada' })
    const bot = await client(Provider, { providerId: 'bot-1' })
    await row('Agents', 'ada', 'available').waitFor()
    await ada.setPresence('away')
    await row('Agents', 'ada', 'away').waitFor()
    await ada.setPresence('available')

    const rung = event(ada, 'notification')
    const call = bot.notify({ templateName: CHAT, sessionId: 'conv-1', to: { agents: ['ada'] } })
    await rung
    await row('Open notifications', 'bot-1', 'conv-1').getByText('on desks').waitFor()
    await part('Open and waiting')
      .getByText(/1 open, 0 of them waiting for a desk\. Longest waiting/)
      .waitFor()
    await row('Open notifications', 'conv-1')
      .getByRole('cell', { name: /^\d+:(0[1-9]|[1-5]\d)$/ })
      .waitFor()
    await ada.accept((await rung).notificationId)
    await call
    const waiting = bot.notify({ templateName: CHAT, cancellationToken: 'w', to: { agents: ['nobody'] } })
    await row('Open notifications', 'waiting').waitFor()
    await bot.cancel('w')
    await waiting
    await bot.notify({ templateName: 'quick', to: { agents: ['early'] } })
    await part('Open and waiting').getByText('Nothing is open.').waitFor()

    const said = /1 accepted, 0 rejected, 1 timed out and 1 cancelled in the last .*\d/
    await part('Outcomes over time').getByText(said).waitFor()
    await part('Outcomes over time').getByRole('img', { name: said }).waitFor()
    await part('Time to answer')
      .getByRole('img', { name: /Of the only answer, half took at most \d+\.\d s/ })
      .waitFor()
    await row('Agents', 'ada', 'available').getByRole('cell', { name: '1', exact: true }).waitFor()

    await bot.kpi('conv-1', false, 'slow')
    await row('KPI breaches', 'conv-1').waitFor()
    await part('KPI breaches')
      .getByText(/1 session is in breach\. 1 breach since/)
      .waitFor()
    await bot.kpi('conv-1', true)
    await part('KPI breaches')
      .getByText(/No known session is in breach\. 1 breach since/)
      .waitFor()

    const events = page.getByRole('log', { name: 'Event stream' }).getByRole('listitem')
    await events.filter({ hasText: 'taken by ada' }).waitFor()
    await page.getByLabel('Event', { exact: true }).selectOption('kpi')
    await page.getByText(/^2 of the last \d+ events\.$/).waitFor()
    assert.equal(await events.count(), 2)
    await page.getByLabel('Event', { exact: true }).selectOption('all')
    await page.getByLabel('Filter', { exact: true }).fill('ADA taken')
    await page.getByText(/^1 of the last \d+ events\.$/).waitFor()
    await events.first().locator('summary').click()
    await events.first().getByText('"event": "settled"').waitFor()

    // While paused the page does not change, but it still reacts to its controls.
    await page.getByLabel('Filter', { exact: true }).fill('')
    await events.nth(2).waitFor()
    await page.getByLabel('Pause').check()
    const before = await events.first().textContent()
    await early.setPresence('away')
    await row('Agents', 'early', 'away').waitFor()
    assert.equal(await events.first().textContent(), before)
    await page.getByLabel('Pause').uncheck()
    await events.filter({ hasText: 'early is away' }).waitFor()
    await early.setPresence('available')
  })

  test('an answer to what began before the page did is counted, and that its time is not known is said', async () => {
    const ada = await client(Agent, { agentId: 'ada-0' })
    const bot = await client(Provider, { providerId: 'bot-0' })
    const rung = event(ada, 'notification')
    const call = bot.notify({ templateName: CHAT, to: { agents: ['ada-0'] } })
    const { notificationId } = await rung
    await open()
    await part('Time to answer')
      .getByText(/^No answers since \d/)
      .waitFor()
    await ada.accept(notificationId)
    await call
    await part('Outcomes over time')
      .getByText(/^1 accepted, 0 rejected/)
      .waitFor()
    await part('Time to answer')
      .getByText(/^1 arrived before this page was opened; their times are not known\./)
      .waitFor()
    assert.equal(
      await part('Time to answer')
        .getByText(/^No answers/)
        .count(),
      0,
    )
  })

  test('a press on an event opens it, whatever happens while it is down; and what is pointed at stays', async () => {
    await open()
    const ada = await client(Agent, { agentId: 'ada-1' })
    const events = page.getByRole('log', { name: 'Event stream' }).getByRole('listitem')
    const came = events.filter({ hasText: 'ada-1 joined' })
    await came.locator('summary').hover()
    const before = await came.boundingBox()
    await page.mouse.down()
    await ada.setPresence('away')
    await row('Agents', 'ada-1', 'away').waitFor()
    await page.mouse.up()
    await came.getByText('"event": "agentJoined"').waitFor()
    await page.getByText(/newer once the pointer is elsewhere\.$/).waitFor()
    assert.equal((await came.boundingBox()).y, before.y)
    await page.mouse.move(0, 0)
    await events.filter({ hasText: 'ada-1 is away' }).waitFor()
  })

  test('whatever a client calls itself is shown as text', async () => {
    const evil = '<img src=x onerror="window.owned=1">'
    await open()
    const ada = await client(Agent, { agentId: `${evil}agent` })
    const bot = await client(Provider, { providerId: `${evil}bot` })
    ada.on('notification', ({ notificationId }) => ada.accept(notificationId).catch(() => {}))
    await bot.notify({ templateName: CHAT, sessionId: `${evil}session`, to: { agents: [`${evil}agent`] } })
    await bot.kpi(`${evil}session`, false, evil)
    // A long name is shortened, and is whole in its tooltip.
    for (const [table, what] of [
      ['Agents', 'agent'],
      ['KPI breaches', 'session'],
    ]) {
      await page.getByRole('table', { name: table }).getByTitle(`${evil}${what}`).waitFor()
    }
    await page.getByRole('log', { name: 'Event stream' }).getByText(`taken by ${evil}agent`).waitFor()
    assert.equal(await page.evaluate(() => window.owned), undefined)
    assert.equal(await page.locator('img[src="x"]').count(), 0)
  })

  test('what it did not see it says, and it forgets what may have changed meanwhile', async () => {
    await open()
    const ada = await client(Agent, { agentId: 'ada-2' })
    await row('Agents', 'ada-2').waitFor()
    await hub.stop()
    await page.getByText(/^Not connected since .* \(.+\)\. The page shows the last known state\.$/).waitFor()
    const back = event(ada, 'welcome')
    await hub.start()
    await back
    await page.getByText('connected', { exact: true }).waitFor()
    await page.getByText(/Missing: \S.* to \S.*\.$/).waitFor()
    await page.getByText(/^Not connected since/).waitFor({ state: 'hidden' })
  })

  test('axe-core finds nothing, in both themes, and nothing sticks out at 320 pixels', async () => {
    await open()
    const [ada, bot] = [
      await client(Agent, { agentId: 'ada-3' }),
      await client(Provider, { providerId: 'p'.repeat(120) }),
    ]
    ada.on('notification', ({ notificationId }) => {
      if (ada.sessions.length < 3) ada.accept(notificationId).catch(() => {})
    })
    await Promise.all(
      ['a', 'b', 'c'].map((sessionId) => bot.notify({ templateName: CHAT, sessionId, to: { agents: ['ada-3'] } })),
    )
    bot.notify({ templateName: CHAT, sessionId: 'x'.repeat(120), to: { agents: ['ada-3'] } }).catch(() => {})
    await bot.kpi('x'.repeat(120), false, 'slow')
    await row('KPI breaches', 'xxx').waitFor()
    await row('Open notifications', 'xxx').waitFor()
    await page.getByRole('img', { name: /last 3 answers/ }).waitFor()
    for (const width of [1280, 320]) {
      await page.setViewportSize({ width, height: 900 })
      assert.deepEqual(await axeFaults(page), [])
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width)
    }
  })
})

test('where the hub asks for tokens, the dashboard takes an observer’s', async (context) => {
  const hub = await startHub({ secret: 'a secret of these tests, long enough to be one' })
  context.after(() => hub.dispose())
  const browser = await openBrowser()
  context.after(() => browser.dispose())
  const page = await openPage(browser.context, `${hub.url}/dashboard`)
  // Until it is connected it shows no numbers.
  await page.getByText(/^No data yet: closed: /).waitFor()
  for (const name of ['Agents', 'Open and waiting', 'KPI breaches']) {
    await page.getByRole('region', { name, exact: true }).getByText('No data yet.').waitFor()
  }
  await page.getByLabel('Sign-in token').fill(hub.token('boss', 'observer'))
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('connected', { exact: true }).waitFor()
})

test('however much happens, the dashboard remembers no more than it shows', () => {
  const floor = new DashboardModel()
  const at = new Date().toISOString()
  floor.onWelcome({ serverTime: at })
  for (let n = 0; n < KNOWN_MAX + 500; n++) {
    floor.onEvent({ event: 'agentJoined', agentId: `a-${n}`, presence: 'available', at })
    floor.onEvent({ event: 'notified', notificationId: `n-${n}`, providerId: 'p', at })
    floor.onEvent({ event: 'kpi', sessionId: `s-${n}`, breached: true, at })
  }
  for (const known of [floor.agents, floor.open, floor.marks]) assert.equal(known.size, KNOWN_MAX)
  assert.equal(floor.events.length, EVENTS_MAX)
  assert.ok(!floor.open.has('n-0') && floor.open.has(`n-${KNOWN_MAX + 499}`))
  assert.equal(floor.minutes().length, 60)
})
