// How the playground and the desk look, as far as a machine can tell: axe finds nothing, nothing sticks out, dark is dark.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { openBrowser, openPlayground } from '../support/browser.mjs'
import { bot, openDesk, TEMPLATES } from '../support/desk.mjs'
import { ROOT, startHub } from '../support/hub.mjs'

for (const colorScheme of ['light', 'dark']) {
  describe(`looks, ${colorScheme}`, () => {
    let hub
    let browser
    let axe
    before(async () => {
      hub = await startHub({ toml: TEMPLATES })
      browser = await openBrowser({ colorScheme, reducedMotion: 'reduce' })
      axe = await readFile(join(ROOT, 'client-demo/node_modules/axe-core/axe.min.js'), 'utf8')
    })
    after(async () => {
      await browser?.dispose()
      await hub?.dispose()
    })

    /** What axe has against the page as it is now: rule and place. */
    async function faults(page) {
      if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axe)
      return page.evaluate(async () => {
        const { violations } = await window.axe.run(document)
        return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}\n${failureSummary}`))
      })
    }

    /** Bells, sessions, a breach, and one that another has taken. */
    async function busy(desk, caller) {
      const other = new Agent(hub.ws, { agentId: 'bob' })
      await other.ready
      caller.ring('Margaret', { sessionId: `${colorScheme}-1` })
      await desk.accept('Margaret').click()
      await desk.session('Margaret').waitFor()
      await caller.provider.kpi(`${colorScheme}-1`, false, 'answer > 20 s')
      await caller.provider.kpi(`${colorScheme}-elsewhere`, false, 'x'.repeat(60))
      await caller.provider.activity(`${colorScheme}-1`, 12)
      const taken = caller.ring('Grace')
      caller.ring('Katherine', { templateName: 'call' })
      caller.ring('Maria Salomea Sk\u0142odowska-Curie', { templateName: 'parcel', sessionId: `${colorScheme}-${'x'.repeat(80)}` })
      await desk.card('parcel').waitFor()
      await other.accept(other.notifications.find(({ title }) => title.startsWith('Grace')).notificationId)
      await taken.result
      await desk.ended(/taken by bob/).waitFor()
      other.close()
    }

    test('the desk: axe finds nothing, and nothing sticks out from 320 pixels up', async (context) => {
      const desk = await openDesk(browser.context, hub, 'ada')
      assert.deepEqual(await faults(desk), [])
      const caller = bot(hub, 'ada', 'bob')
      context.after(() => caller.close())
      await busy(desk, caller)
      assert.deepEqual(await faults(desk), [])
      for (const width of [320, 480, 768, 1280, 2200]) {
        await desk.setViewportSize({ width, height: 800 })
        assert.ok(await desk.evaluate(() => document.documentElement.scrollWidth) <= width, `${width}`)
        const small = await desk.locator('.desk button, .desk input, .desk summary').evaluateAll((nodes) => nodes
          .filter((node) => node.checkVisibility({ visibilityProperty: true }))
          .map((node) => [node.getBoundingClientRect(), node])
          .filter(([{ width, height }, node]) => (width < 24 || height < 24) && !node.matches('[role=switch]'))
          .map(([, node]) => node.outerHTML))
        assert.deepEqual(small, [], `too small to hit, at ${width}`)
      }
      await desk.setViewportSize({ width: 320, height: 800 })
      assert.deepEqual(await faults(desk), [])
      await desk.howToMend.click()
      assert.deepEqual(await faults(desk), [])
      assert.ok(await desk.evaluate(() => document.documentElement.scrollWidth) <= 320)
      await desk.keyboard.press('Escape')
      await desk.keyboard.press('?')
      assert.deepEqual(await faults(desk), [])
      await desk.keyboard.press('Escape')
      await hub.kill()
      await desk.line.getByText(/^Not connected since/).waitFor()
      assert.deepEqual(await faults(desk), [])
      await hub.start()
      assert.deepEqual(desk.faults, [])
      await desk.close()
    })

    test('the playground: axe finds nothing', async () => {
      const page = await openPlayground(browser.context, hub)
      await page.provider.ring('Grace', { Session: `${colorScheme}-2` })
      await page.ada.card(/Grace/).getByRole('button', { name: 'Accept' }).click()
      await page.ada.session(/Grace/).waitFor()
      await page.provider.ring('Alan', { Session: '' })
      await page.bob.card(/Alan/).waitFor()
      assert.deepEqual(await faults(page), [])
      await page.close()
    })

    test(`it is ${colorScheme}, and nothing moves for who wants no motion`, async (context) => {
      const desk = await openDesk(browser.context, hub, 'carol')
      const caller = bot(hub, 'carol')
      context.after(() => caller.close())
      caller.ring('Katherine', { templateName: 'call' })
      await desk.news.getByText('10 seconds left').waitFor()
      const light = await desk.card('Katherine').evaluate((card) => getComputedStyle(card).backgroundColor.match(/\d+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0) / 3)
      assert.ok(colorScheme === 'dark' ? light < 80 : light > 200, `${light}`)
      assert.equal(await desk.evaluate(() => document.getAnimations().length), 0)
      await desk.accept('Katherine').click()
      await desk.close()
    })
  })
}
