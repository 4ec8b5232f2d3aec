// `Microsoft.CIFramework` as `install()` sets it, called and read in the ways of existing code.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { Agent, install } from '../../client-demo/sdk/deskbell.js'
import { event, startHub } from '../support/hub.mjs'

const CHAT = 'msdyn_chat_incoming_unauthenticated'

describe('Microsoft.CIFramework', () => {
  let hub
  let ada
  let provider
  before(async () => {
    hub = await startHub()
  })
  after(() => hub.dispose())
  beforeEach(async () => {
    ada = new Agent(hub.ws, { agentId: 'ada' })
    await ada.ready
    provider = await install(hub.url, { providerId: 'page' })
  })
  afterEach(() => {
    ada.close()
    provider.close()
  })
  const cif = () => Microsoft.CIFramework
  /** Rings once, and lets ada accept it. */
  const accepted = (input, ...more) => {
    ada.on('notification', ({ notificationId }) => ada.accept(notificationId).catch(() => {}), { once: true })
    return cif().notifyEvent(
      {
        templateName: CHAT,
        templateParameters: { customerName: 'Grace' },
        ...input,
      },
      ...more,
    )
  }

  test('an outcome is read as a JSON text and as an object, with then and with await', async () => {
    const result = await accepted()
    assert.deepEqual(JSON.parse(result), {
      actionName: 'Accept',
      responseReason: 'Accept',
    })
    assert.equal(result.value.actionName, 'Accept')
    assert.equal(`${result}`, '{"actionName":"Accept","responseReason":"Accept"}')
    assert.deepEqual(Object.keys(result).includes('toString'), false)
    await new Promise((done, fail) => {
      accepted().then((text) => (JSON.parse(text).actionName === 'Accept' ? done() : fail(text)), fail)
    })
  })

  test('the other results can be parsed, too', async () => {
    const { sessionId } = await accepted()
    assert.equal(JSON.parse(await cif().notifyNewActivity(sessionId, 2)), null)
    assert.equal(JSON.parse(await cif().notifyKpiBreach(sessionId, true, null)), null)
    cif()
      .notifyEvent({ templateName: CHAT, templateParameters: { customerName: 'Grace' } }, undefined, 'token-1')
      .catch(() => {})
    await event(ada, 'notification')
    assert.equal(JSON.parse(await cif().cancelEvent('token-1')).actionName, 'Cancel')
  })

  test('an error is read as a JSON text and as an object', async () => {
    for (const call of [
      () => cif().notifyEvent({ templateName: 'no_such' }),
      () => cif().cancelEvent('unknown'),
      () => cif().notifyKpiBreach(''),
      () => cif().notifyNewActivity('unknown', 1),
    ]) {
      const error = await call().then(assert.fail, (error) => error)
      assert.equal(JSON.parse(error).message, error.message)
      assert.ok(error.msdyn_name && JSON.parse(error).msdyn_name === error.msdyn_name)
    }
  })

  test('a KPI flag clears the mark only if it is false', async (context) => {
    const warnings = context.mock.method(console, 'warn', () => {})
    const { sessionId } = await accepted()
    for (const flag of [true, undefined, null, 'yes', 0]) {
      let marked = event(ada, 'kpi')
      await cif().notifyKpiBreach(sessionId, flag, null)
      assert.equal((await marked).breached, true, `${flag}`)
      marked = event(ada, 'kpi')
      await cif().notifyKpiBreach(sessionId, false, null)
      assert.equal((await marked).breached, false)
    }
    assert.equal(warnings.mock.callCount(), 0)
    const marked = event(ada, 'kpi')
    await cif().notifyKpiBreach(sessionId)
    await marked
    await cif().notifyKpiBreach(sessionId, false, 'first response > 60 s')
    assert.match(warnings.mock.calls[0].arguments[0], /notifyKpiBreach/)
  })

  test('a correlationId that is not a GUID is accepted, and a GUID is sent', async () => {
    const text = await accepted({}, 'CA7f9c24e83b12')
    assert.match(text.correlationId, /^[0-9a-f-]{36}$/)
    const guid = '7f9c24e8-0d3c-4a1b-9b1e-5f6a7b8c9d0e'
    assert.equal((await accepted({}, guid)).correlationId, guid)
    assert.equal((await accepted({ correlationId: guid })).correlationId, guid)
    await cif().notifyKpiBreach(text.sessionId, true, 'late', 'not-a-guid')
  })

  test('a template parameter that is an object is sent as JSON text', async () => {
    const shown = event(ada, 'notification')
    await accepted({
      templateParameters: { customerName: { first: 'Grace' } },
    })
    assert.match((await shown).title, /\{"first":"Grace"\}/)
    const round = {}
    round.self = round
    await assert.rejects(cif().notifyEvent({ templateName: CHAT, templateParameters: { round } }), {
      code: 'badParameter',
    })
  })
})
