// The plain HTTP side as pages of other origins see it, in a real browser.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { openBrowser } from '../support/browser.mjs'
import { startHub } from '../support/hub.mjs'

const RING = JSON.stringify({ templateName: 'msdyn_call_incoming' })

/** A page of another origin on this machine. */
async function elsewhere() {
  const server = createServer((_, response) => response.end('<!doctype html><title>elsewhere</title>')).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  return { server, origin: `http://127.0.0.1:${server.address().port}` }
}

describe('the second door', () => {
  let browser
  before(async () => {
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.dispose()
  })

  /** The results of a page that sends requests in every way that a page has. */
  function tries(page, url) {
    return page.evaluate(
      async ([url, body]) => {
        const ask = async (path, init) => {
          try {
            const answer = await fetch(`${url}${path}`, init)
            return `${answer.type} ${answer.status}`
          } catch {
            return 'refused'
          }
        }
        const json = { 'content-type': 'application/json' }
        const tried = [
          await ask('/api/notify', { method: 'POST', headers: json, body }),
          await ask('/api/notify', { method: 'POST', mode: 'no-cors', body }),
          await ask('/api/notify', {
            method: 'POST',
            mode: 'no-cors',
            headers: { 'content-type': 'text/plain' },
            body,
          }),
          await ask('/api/notifications/0192f0c4-7e3a-7b21-8c55-0123456789ab', {}),
        ]
        navigator.sendBeacon(`${url}/api/notify`, new Blob([body], { type: 'text/plain' }))
        const form = document.createElement('form')
        Object.assign(form, { action: `${url}/api/notify`, method: 'post', enctype: 'text/plain', target: 'frame' })
        const field = Object.assign(document.createElement('input'), {
          name: `${body.slice(0, -1)},"x":"`,
          value: '"}',
        })
        const frame = Object.assign(document.createElement('iframe'), { name: 'frame' })
        form.append(field)
        document.body.append(frame, form)
        const loaded = new Promise((done) => {
          frame.onload = done
        })
        form.submit()
        await loaded
        return tried
      },
      [url, RING],
    )
  }

  test('a page from elsewhere rings nobody and reads nothing', async () => {
    const hub = await startHub()
    const { server, origin } = await elsewhere()
    const ada = new Agent(hub.ws, { agentId: 'ada' })
    await ada.ready
    const page = await browser.context.newPage()
    await page.goto(origin)
    assert.deepEqual(await tries(page, hub.url), ['refused', 'opaque 0', 'opaque 0', 'refused'])
    // The allowed page rings, and its notification is the only one.
    const own = await fetch(`${hub.url}/api/notify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: RING,
    })
    const { notificationId } = await own.json()
    while (!ada.notifications.some((one) => one.notificationId === notificationId)) {
      await new Promise((done) => {
        setTimeout(done, 10)
      })
    }
    assert.equal(ada.notifications.length, 1)
    ada.close()
    await page.close()
    server.close()
    await hub.dispose()
  })

  test('a page of an allowed origin rings and reads the answer', async () => {
    const { server, origin } = await elsewhere()
    const hub = await startHub({ flags: ['--allowed-origin', origin] })
    const page = await browser.context.newPage()
    await page.goto(origin)
    const told = await page.evaluate(
      async ([url, body]) => {
        const headers = { 'content-type': 'application/json', 'idempotency-key': 'conv-42' }
        const answer = await fetch(`${url}/api/notify`, { method: 'POST', headers, body })
        const again = await fetch(`${url}${answer.headers.get('location')}?wait=1ms`)
        return [answer.status, again.status, (await again.json()).id]
      },
      [hub.url, RING],
    )
    assert.deepEqual(told, [202, 202, 'conv-42'])
    await page.close()
    server.close()
    await hub.dispose()
  })
})

describe('a name that was made to lead here', () => {
  let browser
  before(async () => {
    browser = await openBrowser({ led: 'rebound.example' })
  })
  after(async () => {
    await browser?.dispose()
  })

  /** The results of a page under that name; the browser takes it for one of the hub's own pages. */
  async function tries(hub) {
    const page = await browser.context.newPage()
    const url = hub.url.replace('127.0.0.1', 'rebound.example')
    assert.equal((await page.goto(`${url}/healthz`)).status(), 200)
    const tried = await page.evaluate(async (body) => {
      const status = async (path, init) => (await fetch(path, init)).status
      const socket = new WebSocket('/ws')
      const opened = new Promise((done) => {
        socket.onopen = () => done('open')
        socket.onerror = () => done('refused')
      })
      return {
        metrics: await status('/metrics'),
        templates: await status('/templates'),
        recall: await status('/api/notifications/0192f0c4-7e3a-7b21-8c55-0123456789ab'),
        notify: await status('/api/notify', { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
        socket: await opened,
      }
    }, RING)
    await page.close()
    return tried
  }

  test('gives a page nothing, neither to read nor to do', async () => {
    const hub = await startHub()
    assert.deepEqual(await tries(hub), { metrics: 403, templates: 403, recall: 403, notify: 403, socket: 'refused' })
    await hub.dispose()
  })

  test("is the hub's if the operator says so", async () => {
    const hub = await startHub({ flags: ['--allowed-origin', 'http://rebound.example:1'] })
    // By name; its pages act from the very origin that was named only, and this is another port's.
    assert.deepEqual(await tries(hub), { metrics: 200, templates: 200, recall: 404, notify: 403, socket: 'refused' })
    await hub.dispose()
  })
})
