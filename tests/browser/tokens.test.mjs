// The pages where the hub asks for tokens; and a page from elsewhere, which gets nothing.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { connected, openBrowser, openPage, parts } from '../support/browser.mjs'
import { event, startHub } from '../support/hub.mjs'

describe('with authentication on', () => {
  let hub
  let browser
  before(async () => {
    hub = await startHub({ secret: 'a secret of these tests, long enough to be one' })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })

  async function comeIn(page, place, token) {
    const form = page.locator(place).locator('form.token')
    await form.getByLabel('Sign-in token').fill(token)
    await form.getByRole('button', { name: 'Sign in' }).click()
  }

  /** Everywhere that a page can leave something behind. */
  function leftBehind(page) {
    return page.evaluate(async () =>
      JSON.stringify([
        location.href,
        document.cookie,
        { ...localStorage },
        { ...sessionStorage },
        history.state,
        (await indexedDB.databases()).map(({ name }) => name),
        await caches.keys(),
        (await navigator.serviceWorker.getRegistrations()).length,
        document.body.innerText,
      ]),
    )
  }

  test('the playground takes tokens, rings, and keeps them nowhere', async () => {
    const page = await openPage(browser.context, hub.url)
    const { provider, ada, bob } = parts(page)
    const tokens = {
      '#desk-ada': hub.token('ada', 'agent'),
      '#desk-bob': hub.token('bob', 'agent'),
      '#console': hub.token('bot', 'provider'),
    }
    await comeIn(page, '#desk-ada', 'nonsense')
    for (const [place, token] of Object.entries(tokens)) await comeIn(page, place, token)
    for (const one of [provider, ada, bob]) await connected(one)
    await provider.ring('Grace Hopper')
    await ada
      .card(/Grace Hopper/)
      .getByRole('button', { name: 'Accept' })
      .click()
    await provider.call('Grace Hopper').getByText('taken by ada').waitFor()
    const left = await leftBehind(page)
    for (const token of Object.values(tokens)) assert.ok(!left.includes(token.split('.')[1]), left)
    await page.reload()
    await page.locator('#desk-ada').getByLabel('Sign-in token').waitFor()
    assert.equal(await page.locator('#desk-ada').getByLabel('Sign-in token').inputValue(), '')
    assert.deepEqual(page.faults, [])
    await page.close()
  })

  test('a token of another role: the page says which it needs, and which the token has', async () => {
    for (const [path, needs, has] of [
      ['/desk', 'agent', 'provider'],
      ['/console', 'provider', 'observer'],
      ['/dashboard', 'observer', 'agent'],
    ]) {
      const page = await openPage(browser.context, `${hub.url}${path}`)
      const form = page.locator('form.token')
      await form.getByText(/^Ask your administrator for a token\./).waitFor()
      // The command is for developers, not for agents.
      assert.equal(await form.getByText(`--role ${needs}`).count(), needs === 'agent' ? 0 : 1)
      await form.getByLabel('Sign-in token').fill(hub.token('somebody', has))
      await form.getByRole('button', { name: 'Sign in' }).click()
      await form
        .getByText(`That token has the role ${has}; this part of the page needs one with the role ${needs}.`)
        .waitFor()
      // One that only the hub can judge.
      await form.getByLabel('Sign-in token').fill(hub.token('somebody', needs).replace(/.{8}$/, 'AAAAAAAA'))
      await form.getByRole('button', { name: 'Sign in' }).click()
      await form.getByText(/^The hub refused the token: its signature is wrong\./).waitFor()
      assert.equal(await form.getByLabel('Sign-in token').evaluate((field) => field.matches(':focus')), true)
      await form.getByLabel('Sign-in token').fill(hub.token('somebody', needs))
      await form.getByRole('button', { name: 'Sign in' }).click()
      await page.getByText(/^connected$/i).waitFor()
      assert.deepEqual(page.faults, [])
      await page.close()
    }
  })

  test('the desk says ten minutes ahead that a pasted token ends, and a new one brings everything back', async () => {
    const page = await openPage(browser.context, `${hub.url}/desk`)
    page.setDefaultTimeout(60_000)
    await comeIn(page, '#desk', hub.token('eve', 'agent', '--ttl', '10s'))
    await page.getByText(/^You may miss calls: your sign-in ends at \d+:\d\d/).waitFor()
    // Signed out, the desk stays, and the form is above it.
    await page.getByText(/^Signed out at/).waitFor()
    await comeIn(page, '#desk', hub.token('eve', 'agent', '--ttl', '1h'))
    await page.getByText('Connected', { exact: true }).waitFor()
    assert.equal(await page.getByText(/your sign-in ends at/).count(), 0)
    await page.close()
  })

  test("a page from elsewhere cannot connect, nor have the operator's listener do anything", async () => {
    const admin = await hub.admin()
    const elsewhere = createServer((_, response) => response.end('<!doctype html><title>elsewhere</title>')).listen(
      0,
      '127.0.0.1',
    )
    await once(elsewhere, 'listening')
    const token = hub.token('ada', 'agent')
    const ada = new Agent(hub.ws, { token })
    await ada.ready
    const page = await browser.context.newPage()
    const { port } = elsewhere.address()
    // Other names, other ports, the same machine: all are other origins.
    for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`]) {
      await page.goto(origin)
      const closed = await page.evaluate(
        ([url, hello]) =>
          new Promise((done) => {
            const socket = new WebSocket(url, ['deskbell.v1'])
            socket.onopen = () => socket.send(hello)
            socket.onmessage = ({ data }) => done(`heard ${data}`)
            socket.onclose = ({ code }) => done(code)
          }),
        [hub.ws, JSON.stringify({ type: 'hello', role: 'agent', token })],
      )
      assert.equal(closed, 1006, origin)
      const seen = await page.evaluate(
        async ([url, body]) => {
          const ask = async (path, init) => {
            try {
              const answer = await fetch(`${url}${path}`, init)
              return `${answer.type} ${answer.status}`
            } catch {
              return 'refused'
            }
          }
          return [
            await ask('/revoke', { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
            await ask('/revoke', { method: 'POST', mode: 'no-cors', body }),
            await ask('/revoke', { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body }),
            await ask('/clients', {}),
            await ask('/metrics', {}),
            navigator.sendBeacon(`${url}/revoke`, new Blob([body], { type: 'text/plain' })) && 'sent',
          ]
        },
        [admin, JSON.stringify({ subject: 'ada' })],
      )
      assert.deepEqual(seen, ['refused', 'opaque 0', 'opaque 0', 'refused', 'refused', 'sent'], origin)
      await page.evaluate((url) => {
        const form = document.createElement('form')
        Object.assign(form, { action: `${url}/revoke`, method: 'post', enctype: 'text/plain', target: 'frame' })
        const field = Object.assign(document.createElement('input'), { name: '{"subject":"ada","x":"', value: '"}' })
        const frame = Object.assign(document.createElement('iframe'), { name: 'frame' })
        form.append(field)
        document.body.append(frame, form)
        const loaded = new Promise((done) => {
          frame.onload = done
        })
        form.submit()
        return loaded
      }, admin)
    }
    // She is still in, and can come again: nothing was revoked.
    assert.equal(ada.state, 'open')
    const again = new Agent(hub.ws, { token })
    await again.ready
    // The operator's own tool does what the page could not.
    const closed = event(ada, 'state', ({ state }) => state === 'closed')
    const answer = await fetch(`${admin}/revoke`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"subject":"ada"}',
    })
    assert.deepEqual(await answer.json(), { disconnected: 2 })
    assert.equal((await closed).code, 4401)
    again.close()
    await page.close()
    elsewhere.close()
  })
})
