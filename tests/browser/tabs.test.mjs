// Several tabs of one agent, and a desk that nobody looks at just now.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Provider } from '../../client-demo/sdk/deskbell.js'
import { openBrowser, openPage } from '../support/browser.mjs'
import {
  bot,
  listenIn,
  openDesk,
  partsOf,
  pressToast,
  setVisible,
  TEMPLATES,
  toasted,
  toasts,
  until,
  watchToasts,
} from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'

describe('tabs of one agent', () => {
  let hub
  let browser
  before(async () => {
    hub = await startHub({ toml: TEMPLATES })
    browser = await openBrowser()
    await listenIn(browser.context)
    await watchToasts(browser.context)
    await browser.context.grantPermissions(['notifications'], { origin: hub.url })
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })
  const sounding = (pages) => Promise.all(pages.map((page) => page.evaluate(() => window.sounding)))
  const soundOf = async (tab) => (await tab.menu.getAttribute('title'))?.replace('Sound and shortcuts. ', '')
  const sum = async (pages) => (await sounding(pages)).reduce((all, one) => all + one, 0)

  test('three tabs ring once and are answered once; when the one that rings goes, another does', async (context) => {
    const tabs = []
    for (let n = 0; n < 3; n++) tabs.push(await openDesk(browser.context, hub, 'ada'))
    // Until somebody has touched it, a page is silent.
    for (const tab of tabs) await tab.getByRole('heading', { name: 'Desk of ada' }).click()
    await until(
      async () => (await Promise.all(tabs.map(soundOf))).sort(),
      ['Another tab of yours rings', 'Another tab of yours rings', 'This tab rings'],
    )
    const caller = bot(hub, 'ada')
    context.after(() => caller.close())
    const first = caller.ring('Grace')
    for (const tab of tabs) await tab.card('Grace').waitFor()
    await until(() => sum(tabs), 1)
    for (const tab of tabs) assert.match(await tab.title(), /^\(1\) ada/)
    const at = (await sounding(tabs)).indexOf(1)
    const [ringing] = tabs.splice(at, 1)
    await tabs[0].sound('Another tab of yours rings')
    await ringing.close()
    await until(() => sum(tabs), 1)
    // Muted in one is muted in all.
    await tabs[0].menu.click()
    await tabs[0].region.getByRole('button', { name: 'Mute', exact: true }).click()
    await until(() => sum(tabs), 0)
    await tabs[1].sound('Muted')
    await tabs[1].menu.click()
    await tabs[1].region.getByRole('button', { name: 'Mute', exact: true }).click()
    await tabs[1].keyboard.press('Escape')
    await until(() => sum(tabs), 1)
    await tabs[1].accept('Grace').click()
    assert.equal((await first.result).agentId, 'ada')
    await until(() => sum(tabs), 0)
    await tabs[0].recent.getByText('Grace wants to chat: taken by you in another tab').waitFor()
    for (const tab of tabs) {
      await tab.session('Grace').waitFor()
      assert.deepEqual(tab.faults, [])
      await tab.close()
    }
  })

  test('in the background: desktop notifications, answered there, removed with the call', async (context) => {
    const desk = await openDesk(browser.context, hub, 'bob')
    const second = await openDesk(browser.context, hub, 'bob')
    const caller = bot(hub, 'bob')
    context.after(() => caller.close())
    const looked = caller.ring('Somebody looks')
    await desk.card('Somebody looks').waitFor()
    assert.deepEqual(await toasts(desk), [])
    await looked.cancel()
    // If one of two tabs is in the foreground, the desk is not in the background.
    await setVisible(desk, false)
    const calls = ['Grace', 'Alan', 'Edsger'].map((one) => caller.ring(one))
    await desk.card('Edsger').waitFor()
    assert.deepEqual(await toasts(desk), [])
    await setVisible(second, false)
    await toasted([desk, second], ['Grace wants to chat', 'Alan wants to chat', 'Edsger wants to chat'])
    await calls[2].cancel()
    await until(async () => (await toasts(desk)).sort(), ['Alan wants to chat', 'Grace wants to chat'])
    const toast = await pressToast(desk, 'Grace wants to chat', 'accept')
    assert.deepEqual(
      { ...toast, data: Object.keys(toast.data) },
      { actions: ['Accept', 'Reject'], body: 'Customer: Grace', data: ['desk', 'url'] },
    )
    assert.equal((await calls[0].result).agentId, 'bob')
    await desk.session('Grace').waitFor()
    await pressToast(desk, 'Alan wants to chat', 'reject')
    assert.equal((await calls[1].result).value.responseReason, 'DeclinedByAgent')
    await until(() => toasts(desk), [])
    // An agent that returns to the page needs no notification of the cards that it shows.
    const last = caller.ring('Barbara', { templateName: 'call' })
    await toasted([desk, second], ['Barbara is calling'])
    await setVisible(desk, true)
    await until(() => toasts(desk), [])
    await last.cancel()
    for (const one of [desk, second]) {
      assert.deepEqual(one.faults, [])
      await one.close()
    }
  })

  test('a token stays in the page: its desktop notifications and its worker do without', async (context) => {
    const guarded = await startHub({ toml: TEMPLATES, secret: 'a secret of these tests, long enough to be one' })
    context.after(() => guarded.dispose())
    await browser.context.grantPermissions(['notifications'], { origin: guarded.url })
    const token = guarded.token('ada', 'agent')
    const page = await openPage(browser.context, `${guarded.url}/desk`)
    page.setDefaultTimeout(30_000)
    await page.getByLabel('Sign-in token').fill(token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    const desk = Object.assign(page, partsOf(page, 'ada'))
    await desk.connected()
    await page.evaluate(() => {
      window.passed = []
      const { postMessage } = ServiceWorker.prototype
      ServiceWorker.prototype.postMessage = function (...what) {
        window.passed.push(JSON.stringify(what))
        return postMessage.apply(this, what)
      }
    })
    await setVisible(desk, false)
    const provider = new Provider(guarded.ws, { token: guarded.token('bot', 'provider') })
    context.after(() => provider.close())
    const call = provider.notify({ templateName: 'chat', templateParameters: { customerName: 'Grace' } })
    await toasted([desk], ['Grace wants to chat'])
    const { data } = await pressToast(desk, 'Grace wants to chat', 'accept')
    assert.equal((await call).agentId, 'ada')
    const signature = token.split('.')[2]
    assert.ok(!JSON.stringify(data).includes(signature))
    assert.deepEqual(await page.evaluate(() => window.passed), [])
    assert.ok(!page.url().includes(signature))
    await page.close()
  })
})

describe('sounds', () => {
  test('a ring starts softly; a breach has a sound of its own, once', async (context) => {
    const hub = await startHub({ toml: TEMPLATES })
    context.after(() => hub.dispose())
    const browser = await openBrowser()
    context.after(() => browser.dispose())
    await browser.context.addInitScript(() => {
      window.played = []
      const { start } = AudioBufferSourceNode.prototype
      AudioBufferSourceNode.prototype.start = function (...when) {
        // The loudness of the first second tells the sounds apart.
        const samples = this.buffer.getChannelData(0).subarray(0, this.buffer.sampleRate)
        const sum = samples.reduce((all, one) => all + Math.abs(one), 0)
        window.played.push({ loop: this.loop, sum: Math.round(sum) })
        return start.apply(this, when)
      }
      window.ramps = []
      for (const name of ['setValueAtTime', 'linearRampToValueAtTime']) {
        const { [name]: original } = AudioParam.prototype
        AudioParam.prototype[name] = function (value, at) {
          window.ramps.push(value)
          return original.call(this, value, at)
        }
      }
    })
    const desk = await openDesk(browser.context, hub, 'ada')
    await desk.getByRole('heading', { name: 'Desk of ada' }).click()
    await desk.sound('This tab rings')
    const caller = bot(hub, 'ada')
    context.after(() => caller.close())
    const played = () => desk.evaluate(() => window.played.map(({ loop }) => loop))
    caller.ring('Grace', { templateName: 'call', sessionId: 'ada-1' })
    await until(played, [true])
    assert.deepEqual(await desk.evaluate(() => window.ramps), [0.25, 1])
    await desk.accept('Grace').click()
    await desk.session('Grace').waitFor()
    caller.ring('Alan')
    await until(played, [true, true])
    await desk.accept('Alan').click()
    await desk.session('Alan').waitFor()
    await caller.provider.kpi('ada-1', false, 'late')
    await until(played, [true, true, false])
    const sums = await desk.evaluate(() => window.played.map(({ sum }) => sum))
    assert.equal(new Set(sums).size, 3, `a call, a chat and a breach sound alike: ${sums}`)
    assert.deepEqual(desk.faults, [])
  })
})

describe('what would make an agent miss a call', () => {
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

  test('a press that allows the sound is a click all the same: nothing moves away under it', async () => {
    const desk = await openDesk(browser.context, hub, 'bob')
    await desk.line.getByText('You may miss calls: sound is blocked, desktop notifications are off.').waitFor()
    await desk.details.hover()
    await desk.mouse.down()
    await desk.sound('This tab rings')
    await desk.mouse.up()
    await desk.fixes.getByText('They show you a call while you work elsewhere.').waitFor()
    await desk.line.getByText('You may miss calls: desktop notifications are off.').waitFor()
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('so is one on what lies beside the words that change by it', async () => {
    const desk = await openDesk(browser.context, hub, 'carol')
    await desk.sound('Sound is blocked')
    const mute = desk.region.getByRole('button', { name: 'Mute', exact: true })
    await desk.menu.hover()
    await desk.mouse.down()
    await desk.sound('This tab rings')
    await desk.mouse.up()
    await mute.click()
    await desk.sound('Muted')
    await mute.click()
    await desk.sound('This tab rings')
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('is said in a line, with what to do about it; all mended, it says that', async () => {
    const desk = await openDesk(browser.context, hub, 'ada')
    const says = (words) => desk.line.getByText(words).waitFor()
    await says('You may miss calls: sound is blocked, desktop notifications are off.')
    // That click is what the sound has waited for.
    await desk.details.click()
    await desk.fixes.getByText('They show you a call while you work elsewhere.').waitFor()
    await desk.keyboard.press('Escape')
    await says('You may miss calls: desktop notifications are off.')
    await browser.context.grantPermissions(['notifications'], { origin: hub.url })
    await says('All set: you will hear and see incoming calls.')
    await desk.available.uncheck()
    await desk.line.getByRole('button', { name: 'Be available' }).click()
    await says('All set: you will hear and see incoming calls.')
    await desk.menu.click()
    await desk.region.getByRole('slider', { name: 'Volume' }).fill('0')
    await desk.keyboard.press('Escape')
    await desk.line.getByRole('button', { name: 'Unmute' }).click()
    await says('All set: you will hear and see incoming calls.')
    assert.deepEqual(desk.faults, [])
    await desk.close()
  })

  test('a clock that is wrong', async () => {
    const page = await browser.context.newPage()
    await page.addInitScript(() => {
      const now = Date.now
      Date.now = () => now() - 5 * 60_000
    })
    await page.goto(`${hub.url}/desk?agent=eve`)
    page.setDefaultTimeout(30_000)
    const desk = partsOf(page, 'eve')
    await desk.line.getByText(/this computer’s clock is 5\smin behind/).waitFor()
    await page.close()
  })
})
