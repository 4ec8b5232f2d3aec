// What a program sees of the SDK while nothing breaks.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { Agent, install, Observer, Provider } from '../../client-demo/sdk/deskbell.js'
import { event, startHub } from '../support/hub.mjs'

const CHAT = 'msdyn_chat_incoming_unauthenticated'
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

describe('calls', () => {
  let hub
  const clients = []
  const keep = (client) => (clients.push(client), client)
  const agent = async (agentId, options) => {
    const one = keep(new Agent(hub.ws, { agentId, ...options }))
    await one.ready
    return one
  }
  const provider = async (options) => {
    const one = keep(new Provider(hub.ws, options))
    await one.ready
    return one
  }
  before(async () => {
    hub = await startHub()
  })
  after(() => hub.dispose())
  afterEach(() => {
    for (const one of clients.splice(0)) one.close()
  })

  test('install sets Microsoft.CIFramework, and a notifyEvent resolves with its outcome', async () => {
    const ada = await agent('ada-1')
    const framework = keep(await install(hub.url, { providerId: 'bot-1' }))
    assert.equal(framework.providerId, 'bot-1')
    ada.on('notification', ({ notificationId }) => {
      ada.seen(notificationId)
      ada.accept(notificationId).catch(() => {})
    })
    const started = event(ada, 'session')
    const result = await Microsoft.CIFramework.notifyEvent({
      templateName: CHAT,
      templateParameters: { customerName: 'Grace' },
    })
    await started
    assert.deepEqual(result.value, { actionName: 'Accept', responseReason: 'Accept' })
    assert.equal(result.agentId, 'ada-1')
    assert.match(result.id, GUID)
    assert.equal(ada.sessions.length, 1)
    assert.equal(ada.notifications.length, 0)
  })

  test('a call that fails rejects with a plain object of message, msdyn_name and detail', async () => {
    keep(await install(hub.ws))
    const error = await Microsoft.CIFramework.notifyEvent({ templateName: 'no_such' }).then(
      assert.fail,
      (error) => error,
    )
    assert.equal(error.message, 'NotificationTemplateNotFoundError')
    assert.equal(error.msdyn_name, 'NotifyEvent')
    assert.match(error.detail, /no_such/)
    assert.ok(JSON.stringify(error).includes('NotificationTemplateNotFoundError'))
    for (const input of [undefined, null, {}, 'text', 7]) {
      await assert.rejects(Microsoft.CIFramework.notifyEvent(input), {
        message: 'RejectAfterClientError',
        msdyn_name: 'NotifyEvent',
      })
    }
    await assert.rejects(Microsoft.CIFramework.cancelEvent('never-heard-of'), {
      message: 'RejectAfterClientError',
      msdyn_name: 'CancelEvent',
    })
    await assert.rejects(Microsoft.CIFramework.notifyKpiBreach(''), {
      message: 'RejectAfterClientError',
      msdyn_name: 'NotifyKpiBreach',
    })
    await assert.rejects(Microsoft.CIFramework.notifyNewActivity('no-session', 1), {
      message: 'RejectAfterClientError',
      msdyn_name: 'NotifyNewActivity',
    })
  })

  test('what is no JSON rejects, and is not thrown', async () => {
    const bot = await provider()
    const round = {}
    round.self = round
    await assert.rejects(bot.notify({ templateName: CHAT, templateParameters: round }), {
      code: 'badParameter',
      msdyn_name: 'NotifyEvent',
    })
    await assert.rejects(bot.notify({ templateName: CHAT, templateParameters: { n: 1n } }), { code: 'badParameter' })
  })

  test("the hub's address can be that of its first page, also below a path", async () => {
    for (const [given, wanted] of [
      ['http://hub.example', 'ws://hub.example/ws'],
      ['https://desk.example.com/bell/', 'wss://desk.example.com/bell/ws'],
      ['wss://desk.example.com/bell/ws', 'wss://desk.example.com/bell/ws'],
    ]) {
      const opened = await new Promise((opens) => {
        class Recorded extends EventTarget {
          constructor(url) {
            super()
            opens(url)
          }
          close() {}
        }
        keep(new Provider(given, { WebSocket: Recorded }))
      })
      assert.equal(opened, wanted)
    }
  })

  test('what the hub could not answer by its id rejects here', async () => {
    const bot = await provider()
    for (const id of [7, '', 'x'.repeat(129), 'a\nb', 'a\u202eb', {}])
      await assert.rejects(bot.notify({ id, templateName: CHAT }), { code: 'badParameter', msdyn_name: 'NotifyEvent' })
    for (const text of ['\ud800', 'a\udc00b', '\\\ud83d']) {
      await assert.rejects(bot.notify({ templateName: CHAT, templateParameters: { text } }), { code: 'badParameter' })
      await assert.rejects(bot.notify({ templateName: CHAT, templateParameters: { [text]: '' } }), {
        code: 'badParameter',
      })
    }
    for (const text of ['😀', '\\ud800', '\\\\ud800']) assert.equal((await bot.kpi(`s${text}`, true)).value, null)
  })

  test('who listens may call, and may close', async () => {
    const bot = keep(new Provider(hub.ws))
    const said = []
    let more = 3
    bot.on('message', ({ direction, message }) => {
      if (direction === 'out') said.push(message.sessionId)
      if (direction === 'out' && message.type === 'kpi' && more-- > 0) bot.kpi(`more-${more}`, true).catch(() => {})
    })
    await Promise.all(['a', 'b', 'c'].map((name) => bot.kpi(name, true)))
    await bot.kpi('last', true)
    assert.deepEqual(said.filter(Boolean).sort(), ['a', 'b', 'c', 'last', 'more-0', 'more-1', 'more-2'])
    for (const moment of ['connecting', 'welcome', 'open']) {
      const shy = keep(new Provider(hub.ws))
      const states = []
      shy.on('state', ({ state }) => {
        states.push(state)
        if (state === moment) shy.close()
      })
      shy.on('welcome', () => {
        if (moment === 'welcome') shy.close()
      })
      await event(shy, 'close')
      await new Promise((done) => setTimeout(done, 30))
      assert.equal(states.at(-1), 'closed')
      assert.equal(shy.state, 'closed')
    }
  })

  test('an option that is undefined is as absent', async () => {
    const bot = await provider({
      WebSocket: undefined,
      giveUpAfterMs: undefined,
      messagesPerSecond: undefined,
      token: undefined,
    })
    assert.equal((await bot.kpi('s', true)).value, null)
  })

  test('a message that is too long rejects alone, and the connection stays', async () => {
    const bot = await provider()
    await assert.rejects(bot.notify({ templateName: CHAT, templateParameters: { text: 'ü'.repeat(40_000) } }), {
      message: 'RejectAfterClientError',
      code: 'badParameter',
    })
    assert.equal(bot.state, 'open')
    const ada = await agent('ada-long')
    await assert.rejects(ada.reject('n', 'x'.repeat(20_000)), { code: 'badParameter' })
    assert.equal(ada.state, 'open')
    const early = keep(new Provider(hub.ws))
    await assert.rejects(early.notify({ templateName: 'x'.repeat(70_000) }), { code: 'badParameter' })
    assert.equal(early.state, 'open')
  })

  test('the cancellationToken inside input wins over the third argument', async () => {
    keep(await install(hub.ws))
    const { CIFramework } = Microsoft
    const inside = CIFramework.notifyEvent(
      { templateName: CHAT, cancellationToken: 'inside', to: { agents: ['nobody-a'] } },
      undefined,
      'outside',
    )
    await assert.rejects(CIFramework.cancelEvent('outside'))
    const cancelled = await CIFramework.cancelEvent('inside')
    assert.deepEqual(cancelled.value, { actionName: 'Cancel', responseReason: 'Cancelled' })
    assert.deepEqual((await inside).value, cancelled.value)
    const third = CIFramework.notifyEvent({ templateName: CHAT, to: { agents: ['nobody-b'] } }, undefined, 'third')
    await CIFramework.cancelEvent('third')
    assert.equal((await third).cancellationToken, 'third')
  })

  test('a correlationId comes back exactly as it was given', async () => {
    keep(await install(hub.ws))
    const correlationId = '{7F9C24E8-0d3c-4a1b-9b1e-5f6a7b8c9d0e}'
    const call = Microsoft.CIFramework.notifyEvent(
      { templateName: CHAT, to: { agents: ['nobody-c'] } },
      correlationId,
      'corr',
    )
    const cancelled = await Microsoft.CIFramework.cancelEvent('corr', correlationId)
    assert.equal(cancelled.correlationId, correlationId)
    assert.equal((await call).correlationId, correlationId)
  })

  test('the winner has the context of its session, and asks for it on another connection', async () => {
    const ada = await agent('ada-context')
    const bot = await provider()
    const context = { summary: 'Wants a refund', order: 7 }
    ada.on('notification', ({ notificationId }) => ada.accept(notificationId).catch(() => {}))
    const started = event(ada, 'session')
    await bot.notify({ templateName: CHAT, to: { agents: ['ada-context'] }, sessionId: 'conv-context', context })
    assert.deepEqual((await started).context, context)
    const tab = await agent('ada-context')
    assert.equal(tab.sessions[0].hasContext, true)
    assert.equal(tab.sessions[0].context, undefined)
    assert.deepEqual((await tab.getContext('conv-context')).context, context)
    await assert.rejects(tab.getContext('no-such'), ({ code }) => code === 'notFound')
  })

  test('kpi, activity and the end of a session reach the desk and its state', async () => {
    const ada = await agent('ada-2')
    const bot = await provider()
    ada.on('notification', ({ notificationId }) => ada.accept(notificationId).catch(() => {}))
    const { sessionId } = await bot.notify({ templateName: CHAT, to: { agents: ['ada-2'] }, sessionId: 'conv-2' })
    assert.equal(sessionId, 'conv-2')
    const told = event(ada, 'kpi', ({ breached }) => breached)
    assert.equal((await bot.kpi('conv-2', false, 'first response > 60 s')).value, null)
    assert.equal((await told).details, 'first response > 60 s')
    assert.equal(ada.sessions[0].breached, true)
    assert.equal(ada.kpi.length, 1)
    const counted = event(ada, 'activity')
    assert.equal((await bot.activity('conv-2', 3)).value, null)
    await counted
    assert.equal(ada.sessions[0].unread, 3)
    const cleared = event(ada, 'kpi', ({ breached }) => !breached)
    await bot.kpi('conv-2', true)
    await cleared
    assert.equal(ada.sessions[0].breached, false)
    assert.deepEqual(ada.kpi, [])
    const gone = event(ada, 'sessionEnded')
    assert.equal((await ada.endSession('conv-2')).value, null)
    await gone
    assert.deepEqual(ada.sessions, [])
  })

  test('two agents race: one has won, the other is told who', async () => {
    const [ada, bob, bot] = [await agent('ada-3'), await agent('bob-3'), await provider()]
    const answers = [ada, bob].map(async (one) => one.accept((await event(one, 'notification')).notificationId))
    const result = await bot.notify({ templateName: CHAT, to: { agents: ['ada-3', 'bob-3'] } })
    const [first, second] = await Promise.all(answers)
    assert.equal(Number(first.won) + Number(second.won), 1)
    assert.equal(first.agentId, result.agentId)
    assert.equal(second.agentId, result.agentId)
    assert.equal(ada.sessions.length + bob.sessions.length, 1)
  })

  test('a reject with a reason reaches the caller', async () => {
    const [ada, bot] = [await agent('ada-4'), await provider()]
    ada.on('notification', ({ notificationId }) => ada.reject(notificationId, 'on break').catch(() => {}))
    const result = await bot.notify({ templateName: CHAT, to: { agents: ['ada-4'] } })
    assert.deepEqual(result.value, { actionName: 'Reject', responseReason: 'DeclinedByAgent' })
    assert.equal(result.declineReason, 'on break')
  })

  test('presence is the same in all tabs of an agent', async () => {
    const [one, two] = [await agent('ada-5'), await agent('ada-5')]
    const told = event(two, 'presence', ({ presence }) => presence === 'away')
    assert.equal((await one.setPresence('away')).presence, 'away')
    await told
    assert.equal(one.presence, 'away')
    assert.equal(two.presence, 'away')
    assert.equal((await agent('ada-5')).presence, 'away')
    assert.equal((await agent('ada-5', { presence: 'available' })).presence, 'available')
  })

  test('the countdown falls by a clock that nobody sets', async () => {
    const [ada, bot] = [await agent('ada-6'), await provider()]
    const call = bot.notify({ templateName: CHAT, to: { agents: ['ada-6'] }, cancellationToken: 't-6' })
    const notification = await event(ada, 'notification')
    const first = ada.remainingMs(notification)
    assert.ok(first > 100_000 && first <= notification.timeoutMs)
    await new Promise((done) => setTimeout(done, 60))
    const second = ada.remainingMs(notification)
    assert.ok(second < first && second > first - 5_000)
    await bot.cancel('t-6')
    await call
  })

  test('the same id is the same call: said twice it settles twice alike, with other words it is refused', async () => {
    const bot = await provider()
    const input = { id: 'conv-7', templateName: CHAT, to: { agents: ['nobody-d'] }, cancellationToken: 't-7' }
    const calls = [bot.notify(input), bot.notify(input)]
    await assert.rejects(bot.notify({ ...input, sessionId: 'other' }), { code: 'idTaken', msdyn_name: 'NotifyEvent' })
    await bot.cancel('t-7')
    const [one, two] = await Promise.all(calls)
    assert.equal(one.notificationId, two.notificationId)
  })

  test('close rejects what is pending, once, and what comes after it', async () => {
    const bot = await provider()
    const acknowledged = event(bot, 'ack')
    const call = bot.notify({ templateName: CHAT, to: { agents: ['nobody-e'] }, cancellationToken: 't-8' })
    await acknowledged
    bot.close()
    await assert.rejects(call, { message: 'RejectAfterClientError', msdyn_name: 'NotifyEvent', code: 'unavailable' })
    await assert.rejects(bot.cancel('t-8'), { message: 'RejectAfterClientError', msdyn_name: 'CancelEvent' })
    assert.equal(bot.state, 'closed')
  })

  test('a signal that is aborted ends the waiting, with its reason, and says nothing to the hub', async () => {
    const [ada, bot] = [await agent('ada-9'), await provider()]
    const input = { id: 'conv-9', templateName: CHAT, to: { agents: ['ada-9'] } }
    const [one, two] = [new AbortController(), new AbortController()]
    const calls = [bot.notify(input, { signal: one.signal }), bot.notify(input, { signal: two.signal })]
    const { notificationId } = await event(ada, 'notification')
    one.abort(new Error('no longer'))
    await assert.rejects(calls[0], { message: 'no longer' })
    // The other caller still waits for the same call.
    const outcome = event(bot, 'result')
    two.abort()
    await assert.rejects(calls[1], { name: 'AbortError' })
    assert.equal(ada.notifications.length, 1)
    await ada.accept(notificationId, { timeoutMs: 20_000 })
    assert.equal((await outcome).agentId, 'ada-9')
    // The id is free to be asked again, and is the same notification.
    assert.equal((await bot.notify(input)).notificationId, notificationId)
    const said = []
    bot.on('message', ({ direction, message }) => {
      if (direction === 'out') said.push(message.type)
    })
    await assert.rejects(bot.kpi('s', true, undefined, { signal: AbortSignal.abort() }), { name: 'AbortError' })
    assert.deepEqual(said, [])
  })

  test('one of two callers of the same call gives up, the other gets the answer', async () => {
    const [ada, bot] = [await agent('ada-10'), await provider()]
    const input = { id: 'conv-10', templateName: CHAT, to: { agents: ['ada-10'] } }
    const stop = new AbortController()
    const calls = [bot.notify(input, { signal: stop.signal }), bot.notify(input)]
    const { notificationId } = await event(ada, 'notification')
    stop.abort()
    await assert.rejects(calls[0], { name: 'AbortError' })
    await ada.accept(notificationId)
    assert.equal((await calls[1]).agentId, 'ada-10')
  })

  test('a call that takes longer than its timeoutMs rejects, on every method', async () => {
    const away = keep(
      new Provider('ws://127.0.0.1:9/ws', {
        WebSocket: class {
          close() {}
        },
      }),
    )
    const desk = keep(
      new Agent('ws://127.0.0.1:9/ws', {
        WebSocket: class {
          close() {}
        },
      }),
    )
    const soon = { timeoutMs: 20 }
    const calls = [
      away.notify({ templateName: CHAT }, soon),
      away.cancel('t', soon),
      away.kpi('s', false, 'd', soon),
      away.activity('s', 1, soon),
      away.endSession('s', soon),
      away.refresh('t', soon),
      desk.accept('n', soon),
      desk.reject('n', 'r', soon),
      desk.setPresence('away', soon),
    ]
    const names = ['NotifyEvent', 'CancelEvent', 'NotifyKpiBreach', 'NotifyNewActivity']
    for (const [n, call] of calls.entries()) {
      await assert.rejects(call, {
        code: 'timeout',
        message: 'RejectAfterClientError',
        detail: 'no answer within 20 ms',
        msdyn_name: names[n],
      })
    }
  })

  test('what was given up before it was said is never said', async () => {
    const bot = keep(new Provider(hub.ws, { messagesPerSecond: 10 }))
    const said = []
    bot.on('message', ({ direction, message }) => {
      if (direction === 'out') said.push(message.sessionId)
    })
    const stop = new AbortController()
    const early = bot.kpi('early', true, undefined, { signal: stop.signal })
    stop.abort()
    await assert.rejects(early, { name: 'AbortError' })
    await bot.ready
    // More than go at once: the last of them waits for its turn.
    const storm = Array.from({ length: 20 }, (_, n) => bot.kpi(`storm-${n}`, true))
    const last = bot.kpi('last', true, undefined, { timeoutMs: 0 })
    await assert.rejects(last, { code: 'timeout' })
    await Promise.all(storm)
    await bot.kpi('end', true)
    assert.ok(said.includes('end') && !said.includes('early') && !said.includes('last'))
  })

  test('a signal in the options closes the client, and one of on() stops listening', async () => {
    const stop = new AbortController()
    const bot = keep(new Provider(hub.ws, { signal: stop.signal }))
    await bot.ready
    const heard = []
    const ear = new AbortController()
    bot.on('state', ({ state }) => heard.push(state), { signal: ear.signal })
    bot.on('close', () => heard.push('close'), { once: true })
    ear.abort()
    stop.abort()
    assert.equal(bot.state, 'closed')
    assert.deepEqual(heard, ['close'])
    await assert.rejects(keep(new Provider(hub.ws, { signal: AbortSignal.abort() })).ready, { code: 'unavailable' })
  })

  test('an observer is told what happens, and the numbers', async () => {
    const eye = keep(new Observer(hub.ws))
    assert.equal((await eye.ready).role, 'observer')
    const seen = []
    eye.on('event', ({ event, agentId }) => {
      if (agentId === 'ada-11' || event === 'notified') seen.push(event)
    })
    const [ada, bot] = [await agent('ada-11'), await provider()]
    ada.on('notification', ({ notificationId }) => ada.accept(notificationId).catch(() => {}))
    const settled = event(eye, 'event', ({ event, agentId }) => event === 'settled' && agentId === 'ada-11')
    const { notificationId } = await bot.notify({ templateName: CHAT, to: { agents: ['ada-11'] } })
    assert.equal((await settled).notificationId, notificationId)
    assert.deepEqual(seen, ['agentJoined', 'notified', 'settled'])
    assert.ok((await event(eye, 'stats')).agents >= 1)
  })

  test('the connection can be rendered at any time', async () => {
    const bot = keep(new Provider(hub.ws))
    assert.equal(bot.connection.state, 'connecting')
    await bot.ready
    const began = Date.now()
    const { state, since } = bot.connection
    assert.equal(state, 'open')
    assert.ok(since <= began && since > began - 60_000)
    const changes = []
    bot.on('state', (change) => changes.push(change))
    bot.close()
    assert.deepEqual(changes, [bot.connection])
    assert.equal(bot.connection.state, 'closed')
    assert.equal(bot.connection.code, 1000)
  })

  test('many calls at once go no faster than the hub takes them', async () => {
    const bot = await provider()
    const calls = Array.from({ length: 700 }, (_, n) => bot.kpi(`storm-${n}`, true))
    assert.equal((await Promise.all(calls)).length, 700)
    assert.equal(bot.state, 'open')
  })

  test('without a WebSocket the error says what to do', () => {
    assert.throws(() => new Provider(hub.ws, { WebSocket: null }), /Node 22.*--experimental-websocket.*"ws"/)
    assert.throws(() => new Provider('not an address'), TypeError)
  })
})
