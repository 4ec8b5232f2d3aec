// How the playground and the desk look, as far as a machine can tell: axe finds nothing, nothing sticks out, dark is
// dark.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { axeFaults } from '../support/accessible.mjs'
import { openBrowser, openPlayground } from '../support/browser.mjs'
import { bot, openDesk, TEMPLATES } from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'

describe('looks', () => {
  let hub
  let browser
  before(async () => {
    hub = await startHub({ toml: TEMPLATES })
    browser = await openBrowser({ reducedMotion: 'reduce' })
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })

  /** Opens a busy desk: ringing cards, a session in breach, a session elsewhere, a call that another agent took. */
  async function busyDesk(context, name) {
    const desk = await openDesk(browser.context, hub, name)
    const caller = bot(hub, name, 'bob')
    context.after(() => caller.close())
    const other = new Agent(hub.ws, { agentId: 'bob' })
    context.after(() => other.close())
    await other.ready
    caller.ring('Margaret', { sessionId: `${name}-1` })
    await desk.accept('Margaret').click()
    await desk.session('Margaret').waitFor()
    await caller.provider.kpi(`${name}-1`, false, 'answer > 20 s')
    await caller.provider.kpi(`${name}-elsewhere`, false, 'x'.repeat(60))
    await caller.provider.activity(`${name}-1`, 12)
    const taken = caller.ring('Grace')
    caller.ring('Katherine', { templateName: 'call' })
    caller.ring('Maria Salomea Sk\u0142odowska-Curie', {
      templateName: 'parcel',
      sessionId: `${name}-${'x'.repeat(80)}`,
    })
    await desk.card('parcel').waitFor()
    await other.accept(other.notifications.find(({ title }) => title.startsWith('Grace')).notificationId)
    await taken.result
    await desk.recent.getByText(/taken by bob/).waitFor()
    return desk
  }

  test('nothing sticks out from 320 pixels up, and nothing is too small to hit', async (context) => {
    const desk = await busyDesk(context, 'ada')
    for (const width of [320, 480, 768, 1280, 2200]) {
      await desk.setViewportSize({ width, height: 800 })
      assert.ok((await desk.evaluate(() => document.documentElement.scrollWidth)) <= width, `${width}`)
      const small = await desk
        .locator('.desk button, .desk input:not([role=switch]), .desk summary')
        .evaluateAll((nodes) =>
          nodes
            .filter((node) => node.checkVisibility({ visibilityProperty: true }))
            .filter((node) => Math.min(node.getBoundingClientRect().width, node.getBoundingClientRect().height) < 24)
            .map((node) => node.outerHTML),
        )
      assert.deepEqual(small, [], `at ${width}`)
    }
    await desk.setViewportSize({ width: 320, height: 800 })
    await desk.details.click()
    assert.ok((await desk.evaluate(() => document.documentElement.scrollWidth)) <= 320)
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('axe finds nothing on the desk: empty, busy, its lists, without its hub', async (context) => {
    const empty = await openDesk(browser.context, hub, 'carol')
    assert.deepEqual(await axeFaults(empty), [])
    await empty.close()
    const desk = await busyDesk(context, 'dave')
    assert.deepEqual(await axeFaults(desk), [])
    await desk.setViewportSize({ width: 320, height: 800 })
    await desk.details.click()
    assert.deepEqual(await axeFaults(desk), [])
    await desk.keyboard.press('Escape')
    await desk.keyboard.press('?')
    assert.deepEqual(await axeFaults(desk), [])
    await desk.keyboard.press('Escape')
    await hub.kill()
    await desk.line.getByText(/^Not connected since/).waitFor()
    assert.deepEqual(await axeFaults(desk), [])
    await hub.start()
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('fields in one row of the playground start at the same height', async () => {
    const page = await openPlayground(browser.context, hub)
    await page.provider.region.getByText('More fields').click()
    for (const width of [768, 1280, 1920]) {
      await page.setViewportSize({ width, height: 900 })
      const [agents, groups] = await Promise.all(
        ['For agents', 'For groups'].map((label) => page.provider.region.getByLabel(label).boundingBox()),
      )
      if (agents.x !== groups.x) assert.equal(agents.y, groups.y, `at ${width}`)
    }
    await page.close()
  })

  test('axe finds nothing on the playground', async () => {
    const page = await openPlayground(browser.context, hub)
    await page.provider.ring('Grace', { Session: 'playground-1' })
    await page.ada.card(/Grace/).getByRole('button', { name: 'Accept' }).click()
    await page.ada.session(/Grace/).waitFor()
    await page.provider.ring('Alan', { Session: '' })
    await page.bob.card(/Alan/).waitFor()
    assert.deepEqual(await axeFaults(page), [])
    await page.close()
  })

  test('dark is dark, light is light, and nothing moves for who wants no motion', async (context) => {
    const desk = await openDesk(browser.context, hub, 'erin')
    const caller = bot(hub, 'erin')
    context.after(() => caller.close())
    caller.ring('Katherine', { templateName: 'call' })
    await desk.told('10 seconds left')
    const brightness = async (colorScheme) => {
      await desk.emulateMedia({ colorScheme })
      return desk
        .card('Katherine')
        .evaluate((card) => Math.max(...getComputedStyle(card).backgroundColor.match(/\d+/g).slice(0, 3)))
    }
    assert.ok((await brightness('light')) > 200)
    assert.ok((await brightness('dark')) < 80)
    assert.equal(await desk.evaluate(() => document.getAnimations().length), 0)
    await desk.close()
  })
})
