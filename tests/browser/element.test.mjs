// `<deskbell-desk>` in a page of another site: under a strict Content-Security-Policy, several on one page, its events.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { openBrowser, openPage } from '../support/browser.mjs'
import { bot, partsOf, TEMPLATES, until } from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'
import { hostPage, strictPolicy } from '../support/host-page.mjs'

describe('<deskbell-desk>', () => {
  let host
  let hub
  let browser
  let page
  before(async () => {
    host = await hostPage()
    hub = await startHub({ toml: TEMPLATES, flags: ['--allowed-origin', host.origin] })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
    host?.close()
  })
  beforeEach((context) => {
    context.after(async () => {
      assert.deepEqual(page.faults, [])
      await page.close()
    })
  })

  /** Opens a page of the host with that body, and the element's module of the hub. */
  async function open(body, language = 'en') {
    const html =
      `<!doctype html><html lang="${language}"><title>CRM</title>` +
      `<script type="module" src="${hub.url}/sdk/desk.js"></script><body>${body}</body></html>`
    page = await openPage(browser.context, host.serve(html, { 'content-security-policy': strictPolicy(hub.url) }))
    return page
  }
  const desk = (name) => partsOf(page, name)
  /** Keeps the events of that type in `window.events`. */
  const record = (types) =>
    page.evaluate((types) => {
      window.events = []
      for (const type of types)
        document.addEventListener(type, (event) =>
          window.events.push([type, event.target.agent, event.composed, Object.keys(event.detail).sort()]),
        )
    }, types)

  test('works under a strict policy of the host, which it does not violate', async (context) => {
    await open('<deskbell-desk agent="csp"></deskbell-desk>')
    await desk('csp').connected()
    const caller = bot(hub, 'csp')
    context.after(() => caller.close())
    const call = caller.ring('Grace')
    await desk('csp').accept('Grace').click()
    assert.equal((await call.result).agentId, 'csp')
    await desk('csp').session('Grace').waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    const ground = await desk('csp').region.evaluate((node) => getComputedStyle(node).backgroundColor)
    assert.equal(ground, 'rgb(255, 255, 255)')
  })

  test('several on one page are desks of their own', async (context) => {
    await open(
      '<deskbell-desk agent="one" layout="panel"></deskbell-desk>' +
        '<deskbell-desk agent="two" layout="bar"></deskbell-desk>',
    )
    await desk('one').connected()
    await desk('two').connected()
    const caller = bot(hub, 'one', 'two')
    context.after(() => caller.close())
    const call = caller.ring('Grace')
    await desk('one').card('Grace').waitFor()
    await desk('two').accept('Grace').click()
    assert.equal((await call.result).agentId, 'two')
    await desk('one')
      .ended(/taken by two/)
      .waitFor()
    await desk('one').session('Grace').waitFor({ state: 'detached' })
    assert.equal(await desk('one').available.isChecked(), true)
    await desk('one').available.uncheck()
    assert.equal(await desk('two').available.isChecked(), true)
  })

  test('its events bubble out of the shadow tree; an accept can be prevented', async (context) => {
    await open('<main><deskbell-desk agent="eve"></deskbell-desk></main>')
    await desk('eve').connected()
    await record(['accept', 'session', 'sessionended', 'missed', 'connection'])
    const caller = bot(hub, 'eve')
    context.after(() => caller.close())
    await page.evaluate(() => {
      document.addEventListener('accept', (event) => event.preventDefault(), { once: true })
    })
    const call = caller.ring('Grace', { sessionId: 'eve-1' })
    await desk('eve').accept('Grace').click()
    await until(() => page.evaluate(() => window.events.map(([type]) => type)), ['accept'])
    // Nothing was sent: it still rings, and can be accepted.
    await desk('eve').accept('Grace').press('Enter')
    assert.equal((await call.result).agentId, 'eve')
    await desk('eve').session('Grace').waitFor()
    await caller.provider.endSession('eve-1')
    await desk('eve').session('Grace').waitFor({ state: 'detached' })
    const late = caller.ring('Alan', { templateName: 'brief' })
    await late.result
    await desk('eve')
      .recent.getByText(/^Alan.*nobody answered in time/)
      .waitFor()
    const events = await page.evaluate(() => window.events)
    assert.deepEqual(
      events.map(([type]) => type),
      ['accept', 'accept', 'session', 'sessionended', 'missed'],
    )
    for (const [, agent, composed] of events) assert.deepEqual([agent, composed], ['eve', true])
    assert.deepEqual(events[0][3], ['notification'])
    await page.evaluate(() => document.querySelector('deskbell-desk').client.close())
    await until(() => page.evaluate(() => window.events.at(-1)[0]), 'connection')
  })

  test('attributes and properties change it while it runs; properties set before it was defined count', async () => {
    page = await openPage(
      browser.context,
      host.serve('<!doctype html><html lang="de"><title>CRM</title><body></body></html>'),
    )
    await page.evaluate(async (hub) => {
      const early = document.createElement('deskbell-desk')
      Object.assign(early, { hub, agent: 'early', layout: 'panel', silent: true })
      document.body.append(early)
      await import(`${hub}/sdk/desk.js`)
    }, hub.url)
    await page.getByRole('region', { name: 'Arbeitsplatz von early' }).getByText('Verbunden', { exact: true }).waitFor()
    const set = (name, value) =>
      page.evaluate(
        ([name, value]) => {
          document.querySelector('deskbell-desk')[name] = value
        },
        [name, value],
      )
    await set('language', 'fr')
    await page.getByRole('region', { name: 'Poste de early' }).getByText('Connecté', { exact: true }).waitFor()
    await set('language', 'en')
    await set('agent', 'later')
    await desk('later').connected()
    assert.equal(await page.evaluate(() => document.querySelector('deskbell-desk').client.agentId), 'later')
    await set('theme', 'dark')
    const dark = await desk('later').region.evaluate((node) => getComputedStyle(node).backgroundColor)
    assert.equal(dark, 'rgb(26, 33, 43)')
  })

  test('a brand: colours, radius and font by properties, single parts by ::part', async () => {
    await open('<deskbell-desk agent="brand"></deskbell-desk>')
    await desk('brand').connected()
    const look = await page.evaluate(() => {
      const sheet = new CSSStyleSheet()
      sheet.replaceSync(`
        deskbell-desk { --deskbell-background: rgb(1, 2, 3); --deskbell-radius: 0px; --deskbell-font: monospace }
        deskbell-desk::part(title) { color: rgb(200, 1, 1) }`)
      document.adoptedStyleSheets = [sheet]
      const root = document.querySelector('deskbell-desk').shadowRoot
      const { backgroundColor, borderTopLeftRadius, fontFamily } = getComputedStyle(root.querySelector('.desk'))
      return [backgroundColor, borderTopLeftRadius, fontFamily, getComputedStyle(root.querySelector('h2')).color]
    })
    assert.deepEqual(look, ['rgb(1, 2, 3)', '0px', 'monospace', 'rgb(200, 1, 1)'])
  })

  test('moved on the page it stays connected; removed it leaves nothing behind', async () => {
    await open('<main></main><aside></aside>')
    await page.evaluate(() => {
      const one = document.createElement('deskbell-desk')
      one.agent = 'mover'
      document.querySelector('main').append(one)
      window.one = one
      window.client = one.client
    })
    await desk('mover').connected()
    await page.evaluate(() => document.querySelector('aside').append(window.one))
    await page.evaluate(() => Promise.resolve())
    assert.equal(await page.evaluate(() => window.one.client === window.client && window.client.state), 'open')
    await page.evaluate(() => window.one.remove())
    await until(() => page.evaluate(() => window.client.state), 'closed')
    assert.equal(await page.evaluate(() => window.one.client), undefined)
  })

  test('removed while it waits for a lock that its tabs share, it ends without a fault', async () => {
    await open('')
    const name = 'deskbell ["default","leaver"] visible'
    await page.evaluate((name) => {
      window.release = undefined
      const taken = new Promise((done) => navigator.locks.request(name, () => new Promise((end) => done(end))))
      return taken.then((end) => {
        window.release = end
        const one = document.createElement('deskbell-desk')
        one.agent = 'leaver'
        document.body.append(one)
      })
    }, name)
    const locks = (state) =>
      page.evaluate(
        async ([state, name]) => (await navigator.locks.query())[state].filter((lock) => lock.name === name).length,
        [state, name],
      )
    await until(() => locks('pending'), 1)
    await page.evaluate(() => document.querySelector('deskbell-desk').remove())
    await page.locator('deskbell-desk').waitFor({ state: 'detached' })
    await page.evaluate(() => window.release())
    await until(() => locks('held'), 0)
    await until(() => locks('pending'), 0)
    // What went wrong in the page is known by the next answer.
    await page.evaluate(() => new Promise((done) => setTimeout(done)))
  })

  test('a token function is asked for the token, which is in no attribute', async (context) => {
    const guarded = await startHub({
      secret: 'a secret of these tests, long enough to be one',
      flags: ['--allowed-origin', host.origin],
    })
    context.after(() => guarded.dispose())
    page = await openPage(
      browser.context,
      host.serve('<!doctype html><html lang="en"><title>CRM</title><body></body></html>'),
    )
    const token = guarded.token('ada', 'agent')
    await page.evaluate(
      async ([hub, token]) => {
        await import(`${hub}/sdk/desk.js`)
        const one = document.createElement('deskbell-desk')
        one.token = async () => token
        document.body.append(one)
      },
      [guarded.url, token],
    )
    await desk('ada').connected()
    assert.ok(!(await page.evaluate(() => document.body.innerHTML)).includes(token.split('.')[2]))
  })
})
