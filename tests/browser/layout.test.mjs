// The desk at every width, in every form, with texts that are twice as long and texts that run from right to left.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { axeFaults } from '../support/accessible.mjs'
import { openBrowser, openPage } from '../support/browser.mjs'
import { bot, openDesk, TEMPLATES, until } from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'

const LANGUAGES = ['x-long', 'x-rtl', 'de', 'fr', 'es']
const LAYOUTS = ['full', 'panel', 'bar']
const WIDTHS = Array.from({ length: (2_560 - 320) / 20 + 1 }, (_, n) => 320 + 20 * n)
/** Names, titles and reasons in letters that no catalogue has, so that every other letter comes from a catalogue. */
const GREEK = `
[[templates]]
name = "greek"
title = "Καλεί: {customerName}"
icon = "phone"
buttons = { accept = "Ναι", reject = "Όχι" }
fields = [ { label = "Πελάτης", value = "{customerName}" } ]
`

describe('the layout of the desk', () => {
  let hub
  let browser
  before(async () => {
    hub = await startHub({ toml: GREEK + TEMPLATES })
    browser = await openBrowser({ reducedMotion: 'reduce' })
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })

  /** Opens a desk in that language and form, with something in every one of its parts. */
  async function busyDesk(context, name, query) {
    const page = await openPage(browser.context, `${hub.url}/desk?agent=${name}&${query}`)
    page.setDefaultTimeout(30_000)
    const caller = bot(hub, name, `ωμέγα·${name}`)
    const other = new Agent(hub.ws, { agentId: `ωμέγα·${name}` })
    context.after(() => (caller.close(), other.close()))
    await other.ready
    const cards = page.getByRole('article')
    const accept = async (customer) => {
      caller.ring(customer, { templateName: 'greek', sessionId: `${name}·${customer}` })
      await cards.filter({ hasText: customer }).getByRole('button').first().click()
      // In the bar the sessions are behind a button.
      await page.locator('.sessions li').filter({ hasText: customer }).waitFor({ state: 'attached' })
    }
    for (const customer of ['Σοφία', 'Νίκος']) await accept(customer)
    await caller.provider.kpi(`${name}·Νίκος`, false, 'αργά')
    await caller.provider.kpi(`${name}·αλλού`, false, 'αργά')
    await caller.provider.activity(`${name}·Σοφία`, 12)
    const taken = caller.ring('Ελένη', { templateName: 'greek' })
    await cards.filter({ hasText: 'Ελένη' }).waitFor()
    const ofOther = () => other.notifications.find(({ title }) => title.includes('Ελένη'))
    await until(async () => Boolean(ofOther()), true)
    await other.accept(ofOther().notificationId)
    await taken.result
    caller.ring('Ολυμπία Παπαδοπούλου-Αλεξανδροπούλου', { templateName: 'greek' })
    await cards.filter({ hasText: 'Ολυμπία' }).waitFor()
    await page.locator('.past li').first().waitFor({ state: 'attached' })
    if (query.includes('layout=bar')) await page.getByRole('button').and(page.locator('.toggle')).click()
    return page
  }

  test('nothing runs over at any width from 320 to 2560 pixels', async (context) => {
    const page = await busyDesk(context, 'άλφα', 'language=en')
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 })
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(over <= 0, `at ${width} by ${over}`)
    }
    // 200 % and 400 % zoom of a window of 1280 pixels are windows of 640 and 320; the height shrinks as well.
    for (const [width, height] of [
      [640, 400],
      [320, 256],
    ]) {
      await page.setViewportSize({ width, height })
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width)
      await page
        .getByRole('article')
        .filter({ hasText: 'Ολυμπία' })
        .getByRole('button')
        .first()
        .scrollIntoViewIfNeeded()
    }
    assert.deepEqual(page.faults, [])
    await page.close()
  })

  for (const language of LANGUAGES) {
    for (const layout of LAYOUTS) {
      test(`${layout} in ${language}: nothing runs over or is cut at any width`, async (context) => {
        const page = await busyDesk(
          context,
          `${LANGUAGES.indexOf(language)}·${LAYOUTS.indexOf(layout)}·β`,
          `language=${language}&layout=${layout}`,
        )
        await page.setViewportSize({ width: 2_560, height: 800 })
        // In one go: the desk follows the width of its place, not that of the window.
        const faults = await page.evaluate((widths) => {
          const place = document.getElementById('desk')
          const root = document.querySelector('deskbell-desk').shadowRoot
          const found = []
          for (const width of widths) {
            place.style.width = `${width}px`
            const edge = place.getBoundingClientRect()
            for (const node of root.querySelectorAll('button, summary, input, h3, h4, li, p, dd, .words, .card')) {
              if (!node.checkVisibility({ visibilityProperty: true }) || node.closest('.unseen')) continue
              const { left, right } = node.getBoundingClientRect()
              const cut = node.matches('button, summary, h3') && node.scrollWidth > node.clientWidth + 1
              if (left < edge.left - 1 || right > edge.right + 1 || cut)
                found.push(`${width}: ${node.outerHTML.slice(0, 120)}`)
            }
          }
          return found.slice(0, 5)
        }, WIDTHS)
        assert.deepEqual(faults, [])
        if (language.startsWith('x-')) {
          await page.setViewportSize({ width: 1_280, height: 800 })
          await page.evaluate(() => document.getElementById('desk').removeAttribute('style'))
          assert.deepEqual(await axeFaults(page), [])
        }
        assert.deepEqual(page.faults, [])
        await page.close()
      })
    }
  }

  test('every word comes from a catalogue', async (context) => {
    const page = await busyDesk(context, 'γάμμα', 'language=x-rtl')
    await page.locator('.menu summary').click()
    await page.locator('.preflight summary').click()
    await page.locator('.menu summary').click()
    await page.locator('.menu button').last().click()
    await page.locator('dialog.keys').waitFor()
    const latin = () =>
      page.evaluate(() => {
        const root = document.querySelector('deskbell-desk').shadowRoot
        const named = ['aria-label', 'title', 'placeholder', 'aria-valuetext', 'value', 'label']
        const texts = [...root.querySelectorAll('*')].flatMap((node) => [
          ...named.map((name) => node.getAttribute(name)),
          ...[...node.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ data }) => data),
        ])
        // The provider's name is "bot"; an agent of that name is not a word.
        return [...texts, document.title.replace('deskbell', '')].filter((text) =>
          /[a-z]{2}/i.test(text?.replaceAll('bot', '') ?? ''),
        )
      })
    assert.deepEqual(await latin(), [])
    await page.keyboard.press('Escape')
    await hub.kill()
    await page.locator('.stale').waitFor()
    assert.deepEqual(await latin(), [])
    await hub.start()
    await page.close()
  })

  test('a name of the other direction stays in one piece, in a title and in a sentence', async (context) => {
    const desk = await openDesk(browser.context, hub, 'delta')
    const caller = bot(hub, 'delta', 'ωμέγα')
    context.after(() => caller.close())
    const name = 'שרה כהן-לוי (חשבון 4471)'
    const call = caller.ring(name)
    const title = desk.card(name).getByRole('heading')
    assert.equal(await title.locator('bdi').textContent(), name)
    const [nameBox, box] = await Promise.all([title.locator('bdi').boundingBox(), title.boundingBox()])
    assert.ok(nameBox.x - box.x < 2 && nameBox.width < box.width, 'the name is first, and words follow it')
    await call.cancel()
    await desk.recent.getByText(name).waitFor()
    assert.match(await desk.recent.textContent(), new RegExp(`\u2068${name.replace(/[()]/g, '\\$&')}`))
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })
})
