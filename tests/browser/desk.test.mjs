// The agent's desk by what a person sees and does.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { openBrowser, openPage } from '../support/browser.mjs'
import { bot, openDesk, openStillDesk, partsOf, setVisible, TEMPLATES, until } from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'

describe('the desk', () => {
  let hub
  let browser
  let name
  let desk
  let caller
  let count = 0
  before(async () => {
    hub = await startHub({ toml: TEMPLATES })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })
  beforeEach(async () => {
    name = `ada${++count}`
    desk = await openDesk(browser.context, hub, name)
    caller = bot(hub, name, 'bob')
  })
  afterEach(async () => {
    caller.close()
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })
  const focused = () =>
    desk.evaluate(
      () => document.querySelector('deskbell-desk').shadowRoot.activeElement?.textContent ?? 'nothing of the desk',
    )

  test("a card says who, what, over which channel and how long yet, in the template's words", async () => {
    const call = caller.ring('Katherine', { templateName: 'call' })
    const card = desk.card('Katherine is calling')
    await card.getByText('Phone call · from bot').waitFor()
    await card.getByText(/^0:\d\d$/).waitFor()
    await card.getByRole('button', { name: 'Not now: Katherine is calling', exact: true }).waitFor()
    await desk.told('Incoming: Katherine is calling')
    await desk.told('10 seconds left: Katherine is calling')
    caller.ring('Grace', { templateName: 'parcel' })
    await desk.card('A parcel for Grace').getByText('from bot', { exact: true }).waitFor()
    assert.equal(
      await desk
        .card('A parcel for Grace')
        .getByText(/^\d:\d\d$/)
        .count(),
      0,
    )
    assert.match(await desk.title(), /^\(2\) ada\d+ · deskbell$/)
    await card.getByRole('button', { name: 'Take it' }).click()
    assert.equal((await call.result).value.actionName, 'Accept')
    await desk.session('Katherine').waitFor()
    await desk.accept('A parcel').click()
    await until(() => desk.title(), `${name} · deskbell`)
  })

  test('with the keyboard only: choose, accept, reject with a reason, sessions, presence', async () => {
    const press = (key) => desk.keyboard.press(key)
    // For a moment after the marked card is settled no key does anything.
    const aMomentAfter = async (words) => {
      await desk.recent.getByText(words).waitFor()
      await desk.evaluate(
        () =>
          new Promise((done) => {
            setTimeout(done, 700)
          }),
      )
    }
    const calls = ['Grace', 'Alan', 'Edsger'].map((one) => caller.ring(one, { sessionId: `${name}-${one}` }))
    await desk.card('Edsger').waitFor()
    await press('2')
    assert.match(await focused(), /^Alan/)
    await press('j')
    assert.match(await focused(), /^Edsger/)
    await press('j')
    assert.match(await focused(), /^Grace/)
    await press('ArrowDown')
    await press('e')
    await desk.keyboard.type('on another call')
    await press('Enter')
    assert.deepEqual((({ value, declineReason }) => [value.responseReason, declineReason])(await calls[1].result), [
      'DeclinedByAgent',
      'on another call',
    ])
    await aMomentAfter(/^Alan wants to chat: declined/)
    await press('1')
    await press('a')
    assert.equal((await calls[0].result).agentId, name)
    await aMomentAfter('Grace wants to chat: taken by you')
    await press('k')
    await press('r')
    assert.equal((await calls[2].result).value.responseReason, 'DeclinedByAgent')
    // The cards go, and the focus with them goes to something that is there.
    await desk.ringing.getByRole('listitem').first().waitFor({ state: 'detached' })
    assert.equal(await focused(), 'Incoming')
    await press('s')
    assert.match(await focused(), /Grace/)
    await press('x')
    await desk.session('Grace').waitFor({ state: 'detached' })
    assert.equal(await focused(), 'Sessions')
    await press('p')
    await desk.line.getByText(/miss calls: you are away/).waitFor()
    assert.equal(await desk.available.isChecked(), false)
    await press('p')
    await desk.line.getByText(/miss calls: you are away/).waitFor({ state: 'detached' })
    await press('m')
    await desk.line.getByText(/miss calls: the ring is muted/).waitFor()
    await press('m')
    await press('?')
    const keys = desk.getByRole('dialog', { name: 'Keyboard shortcuts' })
    await keys.getByText('accept the selected card').waitFor()
    await keys.getByLabel('Single-key shortcuts').uncheck()
    await press('Escape')
    await keys.waitFor({ state: 'hidden' })
    await press('p')
    await press('?')
    await keys.getByLabel('Single-key shortcuts').check()
    await keys.getByRole('button', { name: 'Close' }).click()
    assert.equal(await desk.available.isChecked(), true)
  })

  test('sessions with what is unread, and the KPI mark with its details', async () => {
    const sessionId = `${name}-1`
    caller.ring('Margaret', { sessionId })
    await desk.accept('Margaret').click()
    await desk.session('Margaret').waitFor()
    // Of events that arrive together, three are announced and the others are counted.
    await desk.told('Margaret wants to chat: taken by you')
    await caller.provider.activity(sessionId, 3)
    await desk.session('Margaret').getByText('3 unread').waitFor()
    await caller.provider.kpi(sessionId, false, 'answer > 20 s')
    await desk.session('Margaret').getByRole('img', { name: 'KPI breach: answer > 20 s' }).waitFor()
    await desk
      .session('Margaret')
      .getByText(/^answer > 20 s since \d/)
      .waitFor()
    await desk.told('KPI breach: Margaret wants to chat, answer > 20 s')
    await caller.provider.kpi(sessionId, true)
    await desk.session('Margaret').getByRole('img', { name: /KPI/ }).waitFor({ state: 'hidden' })
    await desk.session('Margaret').getByRole('button', { name: 'End session: Margaret wants to chat' }).press('Enter')
    await desk.session('Margaret').waitFor({ state: 'detached' })
    assert.equal(await focused(), 'Sessions')
  })

  test("a press on a session's button is a click, also if the rows move while it is down", async () => {
    const titles = ['Grace', 'Alan', 'Edsger']
    for (const one of titles) {
      caller.ring(one, { sessionId: `${name}-${one}` })
      await desk.accept(one).click()
      await desk.session(one).waitFor()
    }
    const end = desk.session('Alan').getByRole('button', { name: 'End session: Alan' })
    // When three unread messages arrive, the session keeps its place.
    const before = await end.boundingBox()
    await caller.provider.activity(`${name}-Alan`, 3)
    await desk.session('Alan').getByText('3 unread').waitFor()
    assert.deepEqual(await end.boundingBox(), before)
    await end.hover()
    await desk.mouse.down()
    await caller.provider.kpi(`${name}-Grace`, false, 'answer > 20 s')
    await caller.provider.endSession(`${name}-Grace`)
    await caller.provider.kpi(`${name}-nobody`, false, 'what comes last')
    await desk.region.getByRole('heading', { name: 'Sessions (2)' }).waitFor()
    assert.deepEqual(await end.boundingBox(), before)
    await desk.mouse.up()
    await desk.session('Alan').waitFor({ state: 'detached' })
    await desk.session('Grace').waitFor({ state: 'detached' })
    await desk.session('Edsger').waitFor()
    await caller.provider.kpi(`${name}-nobody`, true)
  })

  test('after a reload a session still has the picture of its channel', async () => {
    const picture = () => desk.session('Katherine').locator('svg').first().innerHTML()
    caller.ring('Katherine', { templateName: 'call', sessionId: `${name}-call` })
    const onCard = await desk.card('Katherine').locator('svg').first().innerHTML()
    await desk.accept('Katherine').click()
    await desk.session('Katherine').waitFor()
    assert.equal(await picture(), onCard)
    await desk.reload()
    await desk.connected()
    assert.equal(await picture(), onCard)
  })

  test('the icon of the page shows how many ring, as a picture that can be drawn', async () => {
    const icon = () =>
      desk.evaluate(async () => {
        const { href } = document.querySelector('link[rel="icon"]')
        const image = Object.assign(new Image(), { src: href })
        await image.decode()
        const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 32 })
        const pen = canvas.getContext('2d')
        pen.drawImage(image, 0, 0, 32, 32)
        // The upper right corner, beside the digit: red where something rings, else the ground of the bell.
        const [red, , blue] = pen.getImageData(28, 4, 1, 1).data
        const count = /<text[^>]*>([^<]*)</.exec(decodeURIComponent(href))?.[1] ?? ''
        return [count, red > 150 && blue < 100 ? 'red' : 'plain']
      })
    await until(icon, ['', 'plain'])
    const calls = ['Grace', 'Alan'].map((one) => caller.ring(one))
    await desk.card('Alan').waitFor()
    await until(icon, ['2', 'red'])
    await calls[0].cancel()
    await until(icon, ['1', 'red'])
    await calls[1].cancel()
    await until(icon, ['', 'plain'])
  })

  test('a KPI breach is told to a screen reader, however much else is told with it', async () => {
    const titles = ['Grace', 'Alan', 'Edsger', 'Barbara', 'Margaret']
    for (const one of titles) {
      caller.ring(one, { sessionId: `${name}-${one}` })
      await desk.accept(one).click()
      await desk.session(one).waitFor()
    }
    await Promise.all([
      ...titles.map((one) => caller.ring(`another ${one}`, { templateName: 'parcel' }).cancel()),
      ...titles.map((one) => caller.provider.kpi(`${name}-${one}`, false, 'answer > 20 s')),
    ])
    await desk.region.getByRole('heading', { name: 'Sessions (5, 5 in breach)' }).waitFor()
    for (const one of titles) await desk.told(`KPI breach: ${one} wants to chat, answer > 20 s`)
  })

  test('a screen reader is told in one breath what comes at once', async () => {
    await desk.told('miss calls')
    const before = (await desk.news()).length
    const calls = ['Grace', 'Alan', 'Edsger'].map((one) => caller.ring(one))
    await desk.told('Incoming: Edsger wants to chat')
    await Promise.all(calls.map((one) => one.cancel()))
    await desk.told('Edsger wants to chat: cancelled by the caller')
    const told = (await desk.news()).slice(before)
    assert.ok(told.length <= 4, told.join('\n'))
  })

  test("seen is reported only of what was really before someone's eyes", async (context) => {
    const bob = new Agent(hub.ws, { agentId: 'bob' })
    context.after(() => bob.close())
    await bob.ready
    const bobAccepts = async (customer) => {
      const own = () => bob.notifications.find(({ title }) => title.startsWith(customer))
      await until(async () => Boolean(own()), true)
      await bob.accept(own().notificationId)
    }
    const take = async (customer) => {
      const call = caller.ring(customer)
      await desk.card(customer).waitFor()
      await desk.available.uncheck()
      await desk.line.getByText(/miss calls: you are away/).waitFor()
      await bobAccepts(customer)
      await desk.available.check()
      await desk.line.getByText(/miss calls: you are away/).waitFor({ state: 'detached' })
      return (await call.result).reach
    }
    await setVisible(desk, false)
    assert.deepEqual(await take('Nobody looks'), { displayed: 2, seen: 0, rejected: 0 })
    await setVisible(desk, true)
    assert.deepEqual(await take('Somebody looks'), { displayed: 2, seen: 1, rejected: 0 })
    await desk.setViewportSize({ width: 320, height: 400 })
    await desk.evaluate(() => document.body.style.setProperty('padding-top', '2000px'))
    await desk.evaluate(() => scrollTo(0, 0))
    await desk.ended(/./).first().waitFor({ state: 'detached' })
    const call = caller.ring('Out of sight')
    await desk.card('Out of sight').waitFor()
    await bobAccepts('Out of sight')
    assert.equal((await call.result).reach.seen, 0)
    await desk.setViewportSize({ width: 1280, height: 900 })
  })

  test('without a name it asks for one, and keeps it over a reload', async () => {
    const page = await openPage(browser.context, `${hub.url}/desk`)
    const own = `${name} without a name`
    await page.getByLabel('Your agent name').fill(own)
    await page.getByRole('button', { name: 'Open the desk' }).click()
    await partsOf(page, own).connected()
    await page.reload()
    await partsOf(page, own).connected()
    assert.deepEqual(page.faults, [])
    await page.close()
  })
})

describe('a desk with many sessions', () => {
  let hub
  let browser
  before(async () => {
    hub = await startHub({ toml: TEMPLATES })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })

  test('sixty: a breach comes first and in view, a search finds one, ids differ', async () => {
    const caller = bot(hub, 'ada')
    const agent = new Agent(hub.ws, { agentId: 'ada' })
    agent.on('notification', ({ notificationId }) => agent.accept(notificationId))
    await agent.ready
    const id = (n) => `s-${n}-with-a-rather-long-session-identifier-from-another-system`
    for (let n = 0; n < 60; n++) await caller.ring(`Customer ${n}`, { sessionId: id(n) }).result
    const desk = await openDesk(browser.context, hub, 'ada')
    await desk.region.getByRole('heading', { name: 'Sessions (60)' }).waitFor()
    const last = desk.session(/Customer 59 /)
    const isInView = (row) =>
      row.evaluate((node) => {
        const { top, bottom } = node.getBoundingClientRect()
        const list = node.parentElement.getBoundingClientRect()
        return top >= list.top && bottom <= list.bottom && bottom <= innerHeight
      })
    await desk.session(/Customer 30 /).scrollIntoViewIfNeeded()
    await caller.provider.kpi(id(59), false, 'x'.repeat(280))
    await desk.region.getByRole('heading', { name: 'Sessions (60, 1 in breach)' }).waitFor()
    await until(() => isInView(last), true)
    for (let n = 0; n < 45; n++) await caller.provider.kpi(`elsewhere-${n}`, false, 'late')
    await desk.region.getByText('45 breaches at other desks').click()
    await desk.region.getByText('Session elsewhere-44: late').waitFor()
    await until(() => isInView(last), true)
    const ids = await desk.sessions.locator('.small [title]').allTextContents()
    assert.equal(new Set(ids).size, 60)
    await desk.region.getByRole('searchbox', { name: 'Search sessions' }).fill('customer 42')
    await until(() => desk.sessions.getByRole('listitem').count(), 1)
    await desk.session(/Customer 42 /).waitFor()
    await desk.region.getByRole('searchbox', { name: 'Search sessions' }).fill('nobody')
    await desk.region.getByText('No session matches.').waitFor()
    assert.deepEqual(desk.faults, [])
    await desk.close()
    agent.close()
    caller.close()
  })

  test('an end can be undone for a while, and then is one', async () => {
    const caller = bot(hub, 'bob')
    const desk = await openDesk(browser.context, hub, 'bob')
    caller.ring('Grace', { sessionId: 'bob-1' })
    await desk.accept('Grace').click()
    await desk.session('Grace').waitFor()
    const end = desk.region.getByRole('button', { name: 'End session: Grace' })
    await end.press('Enter')
    await desk.told('Session ended: Grace wants to chat. You can undo this for 5')
    await desk.region.getByRole('button', { name: 'Undo: keep the session Grace' }).press('Enter')
    await end.waitFor()
    await desk.session('Grace').getByText('session bob-1').waitFor()
    await end.press('Enter')
    // The page goes within the five seconds: the session ends nevertheless.
    await desk.close()
    const agent = new Agent(hub.ws, { agentId: 'bob' })
    await agent.ready
    await until(async () => agent.sessions.length, 0)
    agent.close()
    caller.close()
  })
})

describe('a desk without its hub', () => {
  let browser
  before(async () => {
    browser = await openBrowser()
  })
  after(() => browser?.dispose())

  test('says so, and since when; an answer waits, and what ended meanwhile says that too', async (context) => {
    const hub = await startHub({ toml: TEMPLATES })
    context.after(() => hub.dispose())
    const desk = await openDesk(browser.context, hub, 'ada')
    const caller = bot(hub, 'ada', 'bob')
    context.after(() => caller.close())
    const call = caller.ring('Grace')
    const lost = caller.ring('Alan')
    await desk.card('Alan').waitFor()
    await hub.kill()
    await desk.getByText(/^Not connected since \d.*the last known state.*when the connection is back\.$/).waitFor()
    await desk.told('Not connected')
    assert.match(await desk.title(), /not connected/)
    const places = () => Promise.all(['Grace', 'Alan'].map((one) => desk.card(one).boundingBox()))
    const before = await places()
    await desk.accept('Grace').click()
    await desk.card('Grace').getByText('Your answer will be sent when the connection is back.').waitFor()
    assert.deepEqual(await places(), before)
    // A change that the agent requested stays visible, whatever else happens.
    await desk.available.uncheck()
    await desk.getByText(/^(Connecting|Not connected\. Next try)/).waitFor()
    assert.equal(await desk.available.isChecked(), false)
    await desk.available.check()
    // Another agent is faster than this page's reconnection: the page does not change until then.
    const debug = await browser.context.newCDPSession(desk)
    await debug.send('Debugger.enable')
    const paused = new Promise((done) => {
      debug.once('Debugger.paused', done)
    })
    await debug.send('Debugger.pause')
    await paused
    await hub.start()
    const bob = new Agent(hub.ws, { agentId: 'bob' })
    context.after(() => bob.close())
    await bob.ready
    await until(async () => bob.notifications.length, 2)
    await bob.accept(bob.notifications.find(({ title }) => title.startsWith('Alan')).notificationId)
    await lost.result
    await debug.send('Debugger.resume')
    await desk.recent.getByText('Alan wants to chat: ended while this desk was not connected').waitFor()
    assert.equal((await call.result).agentId, 'ada')
    await desk.session('Grace').waitFor()
    await desk.connected()
    await desk.line.getByText(/^Not connected/).waitFor({ state: 'hidden' })
    assert.deepEqual(desk.faults, [])
  })
})

test("two agents race: who lost sees who has it, in the card's own place", async (context) => {
  const hub = await startHub({ toml: TEMPLATES })
  context.after(() => hub.dispose())
  const browser = await openBrowser()
  context.after(() => browser.dispose())
  const desk = await openStillDesk(browser.context, hub, 'ada')
  const other = await openDesk(browser.context, hub, 'bob')
  const caller = bot(hub, 'ada', 'bob')
  context.after(() => caller.close())
  const call = caller.ring('Grace')
  caller.ring('Alan')
  for (const one of [desk, other]) await one.card('Alan').waitFor()
  const places = () => Promise.all([desk, other].map((one) => one.card('Alan').boundingBox()))
  const before = await places()
  await Promise.all([desk, other].map((one) => one.accept('Grace').evaluate((button) => button.click())))
  const { agentId } = await call.result
  const loser = agentId === 'bob' ? desk : other
  await loser.ended(`Grace wants to chat: taken by ${agentId}`).waitFor()
  assert.deepEqual(await places(), before)
  assert.equal(await loser.session('Grace').count(), 0)
  assert.equal(await loser.accept('Grace').count(), 0)
  await desk.accept('Alan').click()
  await desk.session('Alan').waitFor()
  for (const one of [desk, other]) assert.deepEqual(one.faults, [])
})

/** A card with a long title makes its row higher, so cards that close up do not lie exactly where others were. */
for (const last of ['Ada', 'Ada with a name that is so long that her card is higher']) {
  test(`a cancel under the pointer: the click does nothing, nothing moves (last caller: ${last})`, async (context) => {
    const hub = await startHub({ toml: TEMPLATES })
    context.after(() => hub.dispose())
    const browser = await openBrowser()
    context.after(() => browser.dispose())
    const desk = await openStillDesk(browser.context, hub, 'ada')
    const caller = bot(hub, 'ada')
    context.after(() => caller.close())
    const calls = ['Grace', 'Alan', 'Edsger'].map((one) => caller.ring(one))
    await desk.card('Edsger').waitFor()
    const places = () => Promise.all(['Alan', 'Edsger'].map((one) => desk.card(one).boundingBox()))
    const before = await places()
    const { x, y, width, height } = await desk.accept('Grace').boundingBox()
    const at = [x + width / 2, y + height / 2]
    await desk.mouse.move(...at)
    await desk.mouse.down()
    await calls[0].cancel()
    await desk.ended('Grace wants to chat: cancelled by the caller').waitFor()
    await desk.mouse.up()
    await desk.mouse.click(...at)
    assert.deepEqual(await places(), before)
    // Another rings: it does not take the place that the pointer is at.
    calls.push(caller.ring(last))
    await desk.card(last).waitFor()
    await desk.clock.runFor(5_000)
    await desk.mouse.click(...at)
    assert.deepEqual(await places(), before)
    assert.equal(await desk.ringing.getByRole('article').count(), 3)
    // Once the pointer rests, the cards close up. A click meant for the card that was there before is ignored.
    await desk.mouse.move(0, 0)
    for (let n = 0; (await places())[1].x !== before[0].x; n++) {
      assert.ok(n < 50, 'the cards do not close up')
      await desk.clock.runFor(125)
    }
    await desk.accept('Edsger').click()
    await desk.getByText(/^The desk had just changed under the pointer/).waitFor()
    assert.equal(await desk.ringing.getByRole('article').count(), 3)
    // A moment later one has seen it, and means it.
    await desk.clock.runFor(1_000)
    await desk.accept('Edsger').click()
    assert.equal((await calls[2].result).agentId, 'ada')
    for (const one of ['Alan', last]) await desk.accept(one).press('Enter')
    for (const { result } of calls.slice(1)) assert.equal((await result).agentId, 'ada')
    assert.deepEqual(desk.faults, [])
  })
}

test('the marked card is settled: the next one is marked, keys already on their way do nothing', async (context) => {
  const hub = await startHub({ toml: TEMPLATES })
  context.after(() => hub.dispose())
  const browser = await openBrowser()
  context.after(() => browser.dispose())
  const desk = await openStillDesk(browser.context, hub, 'ada')
  const caller = bot(hub, 'ada')
  context.after(() => caller.close())
  const press = (key) => desk.keyboard.press(key)
  const reject = (call) => call.result.then(({ value, declineReason }) => [value.responseReason, declineReason])
  const calls = ['Grace', 'Alan', 'Edsger'].map((one) => caller.ring(one))
  await desk.card('Edsger').waitFor()
  await desk.marked('Grace').waitFor()
  await press('a')
  assert.equal((await calls[0].result).agentId, 'ada')
  await desk.ended('Grace wants to chat: taken by you').waitFor()
  await desk.marked('Alan').waitFor()
  assert.equal(await desk.marked(/./).count(), 1)
  await press('a')
  await desk.getByText(/^The selection had just changed/).waitFor()
  await desk.clock.runFor(700)
  await press('r')
  assert.deepEqual(await reject(calls[1]), ['DeclinedByAgent', undefined])
  await desk.ended(/^Alan/).waitFor()
  // An agent that now types a reason types into nothing: no letter is a command, not even once keys work again.
  await press('e')
  for (const letter of 'pxar par') {
    await press(letter)
    await desk.clock.runFor(250)
  }
  await press('Enter')
  // Withdrawn by its caller it passes the mark on as well.
  calls.push(...['Barbara', 'Katherine'].map((one) => caller.ring(one)))
  await desk.card('Katherine').waitFor()
  await desk.marked('Edsger').waitFor()
  await calls[2].cancel()
  await desk.marked('Barbara').waitFor()
  await desk.clock.runFor(700)
  // The card disappears while the agent types a reason: the rest of the reason is not a command either.
  await press('e')
  await desk.keyboard.type('on a ')
  await calls[3].cancel()
  await desk.marked('Katherine').waitFor()
  await desk.clock.runFor(700)
  await desk.keyboard.type('par')
  await desk.clock.runFor(1_100)
  await press('r')
  assert.deepEqual(await reject(calls[4]), ['DeclinedByAgent', undefined])
  await desk.ended(/^Katherine/).waitFor()
  assert.equal(await desk.available.isChecked(), true)
  assert.deepEqual(desk.faults, [])
})
