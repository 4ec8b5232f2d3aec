// What docs/accessibility.md promises, as far as a machine can tell.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { axeFaults } from '../support/accessible.mjs'
import { openBrowser } from '../support/browser.mjs'
import { bot, openDesk, TEMPLATES } from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'

const TAB_STOPS_MAX = 5
const TARGET_PX = 24

describe('the desk is accessible', () => {
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
  async function open(context, name) {
    const desk = await openDesk(browser.context, hub, name)
    const caller = bot(hub, name)
    context.after(() => caller.close())
    return { desk, caller }
  }

  test('the first Accept is at most five Tab stops away, also with two warnings', async (context) => {
    const { desk, caller } = await open(context, 'ada')
    caller.ring('Grace')
    await desk.card('Grace').waitFor()
    await desk.line.getByText(/sound is blocked, desktop notifications are off/).waitFor()
    const focused = () =>
      desk.evaluate(() => document.querySelector('deskbell-desk').shadowRoot.activeElement?.className ?? '')
    let stops = 0
    while ((await focused()) !== 'accept' && stops <= TAB_STOPS_MAX) {
      await desk.keyboard.press('Tab')
      stops++
    }
    assert.ok(stops <= TAB_STOPS_MAX, `${stops} stops`)
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('names are sentences: which card a button answers, which session it ends', async (context) => {
    const { desk, caller } = await open(context, 'bob')
    for (const one of ['Grace', 'Alan']) caller.ring(one, { sessionId: `bob-${one}` })
    await desk.region.getByRole('button', { name: 'Accept: Grace wants to chat', exact: true }).click()
    await desk.region.getByRole('button', { name: 'Reject: Alan wants to chat', exact: true }).waitFor()
    await desk.region.getByLabel('Reason for rejecting: Alan wants to chat', { exact: true }).waitFor()
    await desk.sessions.getByRole('heading', { name: 'Grace wants to chat' }).waitFor()
    await caller.provider.activity('bob-Grace', 5)
    await desk.session('Grace').getByText('5 unread').waitFor()
    // Words that stand beside each other do not run together when they are read.
    assert.match(await desk.session('Grace').innerText(), /5 unread\s+session bob-Grace\s+·/)
    await desk.region.getByRole('button', { name: 'End session: Grace wants to chat', exact: true }).press('Enter')
    await desk.region.getByRole('button', { name: 'Undo: keep the session Grace wants to chat' }).press('Enter')
    await desk.region.getByRole('button', { name: 'End session: Grace wants to chat', exact: true }).waitFor()
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('forced colours: the switch, the countdown and the selection can be seen', async (context) => {
    const { desk, caller } = await open(context, 'carol')
    await desk.emulateMedia({ forcedColors: 'active' })
    caller.ring('Grace')
    await desk.card('Grace').waitFor()
    const ground = () => desk.available.evaluate((node) => getComputedStyle(node).backgroundColor)
    const on = await ground()
    await desk.available.uncheck()
    assert.notEqual(await ground(), on)
    assert.equal(await desk.available.evaluate((node) => getComputedStyle(node).borderTopStyle), 'solid')
    const bar = desk.card('Grace').getByRole('progressbar')
    assert.notEqual(
      await bar.evaluate((node) => getComputedStyle(node, '::-webkit-progress-value').backgroundColor),
      await desk.card('Grace').evaluate((node) => getComputedStyle(node).backgroundColor),
    )
    assert.equal(await desk.card('Grace').evaluate((node) => getComputedStyle(node).outlineStyle), 'solid')
    await desk.emulateMedia({ forcedColors: null })
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('every target is at least 24 pixels wide and high, open lists and the dialog included', async (context) => {
    const { desk, caller } = await open(context, 'dave')
    caller.ring('Grace', { sessionId: 'dave-1' })
    await desk.accept('Grace').click()
    await desk.session('Grace').waitFor()
    await caller.provider.kpi('dave-elsewhere', false, 'late')
    caller.ring('Alan')
    await desk.card('Alan').waitFor()
    const small = () =>
      desk.locator('.desk :is(button, input, summary)').evaluateAll(
        (nodes, least) =>
          nodes
            .filter((node) => node.checkVisibility({ visibilityProperty: true }))
            // A checkbox within its label is as large as the label.
            .map((node) => ({ node, box: (node.closest('label') ?? node).getBoundingClientRect() }))
            .filter(({ box }) => Math.min(box.width, box.height) < least)
            .map(({ node }) => node.outerHTML),
        TARGET_PX,
      )
    for (const width of [320, 640, 1280]) {
      await desk.setViewportSize({ width, height: 800 })
      assert.deepEqual(await small(), [], `at ${width}`)
    }
    await desk.details.click()
    assert.deepEqual(await small(), [])
    await desk.keyboard.press('Escape')
    await desk.menu.click()
    assert.deepEqual(await small(), [])
    assert.deepEqual(await axeFaults(desk), [])
    await desk.region.getByRole('button', { name: 'Keyboard shortcuts' }).click()
    await desk.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    assert.deepEqual(await small(), [])
    assert.deepEqual(await axeFaults(desk), [])
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })
})
