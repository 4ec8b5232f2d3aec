// What breaks: lines, hubs, tokens. Every call still settles exactly once.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { Agent, Provider } from '../../client-demo/sdk/deskbell.js'
import { WebSocket as Ws } from '../../client-demo/node_modules/ws/wrapper.mjs'
import { event, late, ROOT, startHub } from '../support/hub.mjs'
import { brokenLine } from '../support/line.mjs'

const CHAT = 'msdyn_chat_incoming_unauthenticated'
const clients = []
const keep = (client) => (clients.push(client), client)
afterEach(() => {
  for (const one of clients.splice(0)) one.close()
})

async function accepting(hub, agentId, options) {
  const agent = keep(new Agent(hub.ws, { agentId, ...options }))
  agent.rung = []
  agent.on('notification', ({ notificationId }) => {
    agent.rung.push(notificationId)
    agent.accept(notificationId).catch(() => {})
  })
  await agent.ready
  return agent
}

describe('a line that breaks', () => {
  let hub
  before(async () => {
    hub = await startHub()
  })
  after(() => hub.dispose())

  async function provider(line, options) {
    const bot = keep(new Provider(hub.ws, { WebSocket: line.WebSocket, ...options }))
    await bot.ready
    return bot
  }

  test('a call whose ack was lost is said again under the same id, and rings once', async () => {
    const line = brokenLine()
    const bot = await provider(line)
    const ada = await accepting(hub, 'ada-1')
    const told = []
    for (const type of ['ack', 'result']) bot.on(type, () => told.push(type))
    line.lets = ({ type }) => type !== 'ack' && type !== 'result'
    const call = bot.notify({ templateName: CHAT, to: { agents: ['ada-1'] } })
    await event(ada, 'closed')
    line.lets = () => true
    line.cut()
    const result = await call
    assert.equal(result.agentId, 'ada-1')
    await bot.kpi('s', true)
    assert.deepEqual(told, ['result'])
    const said = line.sent.filter(({ type }) => type === 'notify')
    assert.equal(said.length, 2)
    assert.deepEqual(said[0], said[1])
    assert.deepEqual(ada.rung, [result.notificationId])
    assert.equal(line.mostAtOnce, 1)
  })

  test('a client that is not connected says why, and when it tries again', async () => {
    const line = brokenLine()
    const bot = await provider(line)
    const waiting = () => event(bot, 'state', ({ state }) => state === 'waiting')
    const broke = waiting()
    line.cut()
    assert.equal((await broke).reason, 'the connection broke')
    await event(bot, 'welcome')
    const stopped = waiting()
    line.cut(1001)
    const { reason, code, retryInMs } = await stopped
    assert.deepEqual([reason, code], ['the hub closed the connection with 1001', 1001])
    assert.ok(retryInMs >= 0 && retryInMs <= 8_000)

    // No server listens there. A browser gives a page no reason; Node.js does, and the SDK passes it on.
    class Mute extends EventTarget {
      constructor() {
        super()
        setTimeout(() => this.onerror?.(new Event('error')))
      }

      close() {}
    }
    const nobody = keep(new Provider('ws://127.0.0.1:9/ws', { WebSocket: Mute }))
    const first = await event(nobody, 'state', ({ state }) => state === 'waiting')
    assert.deepEqual(first, {
      state: 'waiting',
      since: first.since,
      code: 1006,
      reason: 'no hub answers at ws://127.0.0.1:9/ws',
      retryInMs: first.retryInMs,
    })
    const again = await event(nobody, 'state')
    assert.deepEqual([again.state, again.reason], ['connecting', first.reason])
    const inWords = await event(
      keep(new Provider('ws://127.0.0.1:9/ws', { WebSocket: Ws })),
      'state',
      ({ state }) => state === 'waiting',
    )
    assert.match(inWords.reason, /ECONNREFUSED/)
    const tokenless = keep(
      new Provider(hub.ws, {
        token: () => {
          throw new Error('the login is down')
        },
      }),
    )
    assert.equal(
      (await event(tokenless, 'state', ({ state }) => state === 'waiting')).reason,
      'Error: the login is down',
    )
  })

  test('an outcome that came while away arrives once as an event, also of what another page raised', async () => {
    const line = brokenLine()
    const bot = await provider(line, { providerId: 'bot-2' })
    const results = []
    bot.on('result', ({ notificationId }) => results.push(notificationId))
    const ada = await accepting(hub, 'ada-2')
    const first = await bot.notify({ templateName: CHAT, to: { agents: ['ada-2'] } })
    assert.equal(bot.position, first.position)
    line.down = true
    line.cut(1001)
    const elsewhere = keep(new Provider(hub.ws, { providerId: 'bot-2' }))
    const second = await elsewhere.notify({ templateName: CHAT, to: { agents: ['ada-2'] } })
    line.down = false
    await event(bot, 'result')
    assert.deepEqual(results, [first.notificationId, second.notificationId])
    assert.equal(line.sent.filter(({ type }) => type === 'hello').at(-1).resume, first.position)
    assert.equal(ada.rung.length, 2)
  })

  test('an accept whose answer was lost is asked again, and has won', async () => {
    const line = brokenLine()
    const bot = await provider(brokenLine())
    const ada = keep(new Agent(hub.ws, { agentId: 'ada-3', WebSocket: line.WebSocket }))
    await ada.ready
    const call = bot.notify({ templateName: CHAT, to: { agents: ['ada-3'] } })
    const { notificationId } = await event(ada, 'notification')
    line.lets = () => false
    const answer = ada.accept(notificationId)
    await call
    line.lets = () => true
    line.cut()
    assert.equal((await answer).won, true)
    assert.equal(ada.sessions.length, 1)
    assert.deepEqual(ada.notifications, [])
  })

  test('the desk after a reconnect is what the hub says, and what was looked at is said again', async () => {
    const line = brokenLine()
    const bot = await provider(brokenLine())
    const ada = keep(new Agent(hub.ws, { agentId: 'ada-4', WebSocket: line.WebSocket }))
    await ada.ready
    const calls = ['stays', 'goes'].map((token) =>
      bot.notify({ templateName: CHAT, to: { agents: ['ada-4'] }, cancellationToken: token }),
    )
    await event(ada, 'change', ({ notifications }) => notifications.length === 2)
    for (const { notificationId } of ada.notifications) ada.seen(notificationId)
    line.down = true
    line.cut()
    await bot.cancel('goes')
    line.down = false
    await event(ada, 'welcome')
    assert.equal(ada.notifications.length, 1)
    const seen = line.sent.filter(({ type }) => type === 'seen').map(({ notificationId }) => notificationId)
    assert.equal(seen.filter((id) => id === ada.notifications[0].notificationId).length, 2)
    await bot.cancel('stays')
    assert.equal((await Promise.all(calls))[0].reach.seen, 1)
  })

  test('a presence in the options is said once; afterwards the last choice holds', async () => {
    const line = brokenLine()
    const ada = keep(
      new Agent(hub.ws, { agentId: 'ada-5', presence: 'available', groups: ['billing'], WebSocket: line.WebSocket }),
    )
    await ada.ready
    await ada.setPresence('away')
    line.cut()
    await event(ada, 'welcome')
    assert.equal(ada.presence, 'away')
    const [first, second] = line.sent.filter(({ type }) => type === 'hello')
    assert.equal(first.presence, 'available')
    assert.equal('presence' in second, false)
    assert.deepEqual(second.groups, ['billing'])
  })

  test('who was given a name keeps it over the break', async () => {
    const line = brokenLine()
    const bot = await provider(line)
    const minted = bot.providerId
    line.cut()
    await event(bot, 'welcome')
    assert.equal(bot.providerId, minted)
  })

  for (const code of [1000, 1001, 1006, 1011, 1013, 4408, 4429]) {
    test(`close ${code} in the middle of a call: it comes back and repeats it`, async () => {
      const line = brokenLine()
      const bot = await provider(line)
      await accepting(hub, `ada-c${code}`)
      let cuts = 0
      line.lets = ({ type }) => !(type === 'result' && cuts === 0)
      const call = bot.notify({ templateName: CHAT, to: { agents: [`ada-c${code}`] } })
      await event(bot, 'ack')
      cuts++
      line.cut(code)
      assert.equal((await call).value.actionName, 'Accept')
      assert.equal(line.mostAtOnce, 1)
    })
  }

  for (const [code, name] of [
    [1003, 'unavailable'],
    [1007, 'unavailable'],
    [1009, 'limit'],
    [4400, 'badMessage'],
    [4401, 'notAllowed'],
    [4403, 'notAllowed'],
  ]) {
    test(`close ${code} is the end: what is pending rejects`, async () => {
      const line = brokenLine()
      const bot = await provider(line)
      const call = bot.notify({ templateName: CHAT, to: { agents: ['nobody'] } })
      const closed = event(bot, 'close')
      await event(bot, 'ack')
      line.cut(code, 'so there')
      await assert.rejects(call, {
        message: 'RejectAfterClientError',
        msdyn_name: 'NotifyEvent',
        code: name,
        detail: 'so there',
        closeCode: code,
      })
      assert.equal((await closed).closeCode, code)
      assert.equal(bot.state, 'closed')
      assert.equal(line.made, 1)
    })
  }

  test('a hello that the hub refuses rejects ready, and says why', async () => {
    const ada = keep(new Agent(hub.ws, { agentId: 'x'.repeat(200) }))
    const call = ada.accept('n')
    await assert.rejects(ada.ready, { closeCode: 4400, code: 'badMessage' })
    await assert.rejects(call, { message: 'RejectAfterClientError' })
    assert.match((await ada.ready.catch((error) => error)).detail, /agentId/)
  })

  test('rateLimited and unavailable are tried again under the same id, five times', async () => {
    const line = brokenLine()
    const bot = await provider(line)
    let refusals = 0
    line.answers = ({ type }) =>
      type === 'kpi' && ++refusals <= 3
        ? {
            type: 'error',
            msdyn_name: 'NotifyKpiBreach',
            message: 'RejectAfterClientError',
            code: refusals % 2 ? 'rateLimited' : 'unavailable',
            detail: 'later',
            retryAfterMs: 5,
          }
        : undefined
    assert.equal((await bot.kpi('s', true)).value, null)
    assert.equal(new Set(line.sent.filter(({ type }) => type === 'kpi').map(({ id }) => id)).size, 1)
    line.answers = ({ type }) =>
      type === 'kpi'
        ? { type: 'error', message: 'RejectAfterClientError', code: 'unavailable', detail: 'never', retryAfterMs: 1 }
        : undefined
    line.sent.length = 0
    await assert.rejects(bot.kpi('s', true), { code: 'unavailable', detail: 'never', msdyn_name: 'NotifyKpiBreach' })
    assert.equal(line.sent.length, 6)
    line.answers = ({ type }) =>
      type === 'kpi'
        ? {
            type: 'error',
            message: 'RejectAfterClientError',
            code: 'rateLimited',
            detail: 'tomorrow',
            retryAfterMs: 86_400_000,
          }
        : undefined
    await assert.rejects(bot.kpi('s', true), { code: 'rateLimited', detail: 'tomorrow' })
  })

  test('a hub that stays away: calls are given up after giveUpAfterMs', async () => {
    const line = brokenLine()
    const bot = await provider(line, { giveUpAfterMs: 300 })
    line.down = true
    line.cut()
    const call = bot.kpi('s', true)
    await assert.rejects(call, {
      message: 'RejectAfterClientError',
      code: 'unavailable',
      msdyn_name: 'NotifyKpiBreach',
    })
    assert.notEqual(bot.state, 'closed')
  })

  test('a call that was away too long does not ring again, unless the hub still has it open', async () => {
    const line = brokenLine()
    const bot = await provider(line, { giveUpAfterMs: 1 })
    const input = { templateName: CHAT, to: { agents: ['nobody'] }, cancellationToken: 'open' }
    const call = bot.notify(input)
    await event(bot, 'ack')
    line.cut()
    const lost = bot.kpi('s', true)
    await event(bot, 'welcome')
    await assert.rejects(lost, { code: 'unavailable' })
    await bot.cancel('open')
    assert.equal((await call).value.actionName, 'Cancel')
  })

  test('it says hello again after each of many cuts, never with two sockets, and every call settles once', async () => {
    const line = brokenLine()
    const bot = await provider(line)
    const ada = await accepting(hub, 'ada-flap')
    let settled = 0
    const calls = Array.from({ length: 12 }, async (_, n) => {
      await new Promise((done) => setTimeout(done, n * 150))
      const result = await bot.notify({ templateName: CHAT, to: { agents: ['ada-flap'] } })
      settled++
      return result
    })
    const cutting = setInterval(() => line.cut(), 170)
    await late(2_000)
    clearInterval(cutting)
    const results = await Promise.all(calls)
    assert.equal(settled, 12)
    assert.equal(new Set(results.map(({ notificationId }) => notificationId)).size, 12)
    assert.equal(new Set(ada.rung).size, 12)
    assert.ok(line.made > 1)
    assert.equal(line.mostAtOnce, 1)
  })
})

describe('a hub that breaks', () => {
  for (const [how, end] of [
    ['stopped', 'stop'],
    ['killed', 'kill'],
  ]) {
    test(`${how} in mid-ring and started again: the outcome still arrives, once`, async (context) => {
      const hub = await startHub()
      context.after(() => hub.dispose())
      const bot = keep(new Provider(hub.ws))
      await bot.ready
      const ada = keep(new Agent(hub.ws, { agentId: 'ada' }))
      await ada.ready
      const call = bot.notify({ templateName: CHAT })
      await event(ada, 'notification')
      await hub[end]()
      const welcomes = [event(bot, 'welcome'), event(ada, 'welcome')]
      await hub.start()
      await Promise.all(welcomes)
      assert.equal(ada.notifications.length, 1)
      assert.equal((await ada.accept(ada.notifications[0].notificationId)).won, true)
      assert.equal((await call).agentId, 'ada')
    })
  }

  test('killed again and again under calls: each settles exactly once', async (context) => {
    // However long the desk takes to come back, and to answer: nothing is refused for want of it or of room.
    const hub = await startHub({ toml: '[limits]\nregroupTime = "60s"\nqueueLimit = 20\n' })
    context.after(() => hub.dispose())
    const line = brokenLine()
    const bot = keep(new Provider(hub.ws, { WebSocket: line.WebSocket }))
    const ada = await accepting(hub, 'ada')
    // After a restart its desk is in the welcome.
    ada.on('welcome', ({ notifications }) => {
      for (const one of notifications) ada.accept(one.notificationId).catch(() => {})
    })
    const calls = Array.from({ length: 20 }, async (_, n) => {
      await new Promise((done) => setTimeout(done, n * 100))
      return bot.notify({ templateName: CHAT, sessionId: `conv-${n}` })
    })
    for (let n = 0; n < 3; n++) {
      await late(400)
      await hub.kill()
      await hub.start()
    }
    const results = await Promise.all(calls)
    assert.equal(new Set(results.map(({ notificationId }) => notificationId)).size, 20)
    assert.deepEqual(new Set(results.map(({ value }) => value.responseReason)), new Set(['Accept']))
    // Its desk may be on the way back still: a WebSocket whose hub was killed in its handshake may never say so, and is
    // given up after 15 s.
    if (ada.sessions.length < 20) await event(ada, 'change', ({ sessions }) => sessions.length === 20, 60_000)
    assert.equal(ada.sessions.length, 20)
    assert.equal(line.mostAtOnce, 1)
  })

  test('a hub without memory that starts anew: what was ringing rings again', async (context) => {
    const hub = await startHub({ flags: ['--memory'] })
    context.after(() => hub.dispose())
    const bot = keep(new Provider(hub.ws))
    await bot.ready
    const call = bot.notify({ templateName: CHAT, to: { agents: ['ada'] } })
    await event(bot, 'ack')
    await hub.kill()
    await hub.start()
    await accepting(hub, 'ada')
    const ada = clients.at(-1)
    for (const { notificationId } of ada.notifications) ada.accept(notificationId)
    assert.equal((await call).agentId, 'ada')
  })

  test('a connection that only says that it failed, as some do in Node, is tried again soon', async () => {
    let made = 0
    const bot = keep(
      new Provider('ws://127.0.0.1:9/ws', {
        WebSocket: class {
          constructor() {
            made++
            setTimeout(() => this.onerror({}))
          }

          close() {}
        },
      }),
    )
    bot.ready.catch(() => {})
    // By the failure, and not by the welcome that does not come.
    const { code, reason, retryInMs } = await event(bot, 'state', ({ state }) => state === 'waiting')
    assert.deepEqual([code, reason], [1006, 'no hub answers at ws://127.0.0.1:9/ws'])
    assert.ok(retryInMs <= 500)
    await event(bot, 'state', ({ state }) => state === 'connecting')
    assert.equal(made, 2)
  })

  test('a line on which nothing comes any more is noticed, and left', async (context) => {
    const hub = await startHub({ toml: '[server]\npingInterval = "100ms"\nidleTimeout = "60s"\n' })
    context.after(() => hub.dispose())
    const line = brokenLine()
    const bot = keep(new Provider(hub.ws, { WebSocket: line.WebSocket }))
    await bot.ready
    // A quiet line that answers is kept.
    for (let pongs = 0; pongs < 2; pongs++)
      await event(bot, 'message', ({ direction, message }) => direction === 'in' && message.type === 'pong')
    assert.equal(line.made, 1)
    line.deaf = true
    const call = bot.kpi('s', true)
    await event(bot, 'state', ({ state }) => state === 'waiting')
    line.deaf = false
    assert.equal((await call).value, null)
    assert.equal(line.made, 2)
    assert.equal(line.mostAtOnce, 1)
  })
})

describe('a token', () => {
  let hub
  before(async () => {
    hub = await startHub()
  })
  after(() => hub.dispose())
  const jwt = (seconds) =>
    `e30.${Buffer.from(JSON.stringify({ exp: Date.now() / 1_000 + seconds })).toString('base64url')}.x`

  test('from a function is fresh for every connection, and refreshed before it ends', async () => {
    const line = brokenLine()
    line.answers = ({ type }) => (type === 'refresh' ? { type: 'refreshed' } : undefined)
    const given = []
    const bot = keep(
      new Provider(hub.ws, { WebSocket: line.WebSocket, token: async () => (given.push(jwt(2)), given.at(-1)) }),
    )
    await bot.ready
    await event(bot, 'message', ({ message }) => message.type === 'refreshed')
    line.cut(4401)
    await event(bot, 'welcome')
    const said = line.sent.filter(({ token }) => token)
    assert.deepEqual(
      said.map(({ type }) => type),
      ['hello', 'refresh', 'hello'],
    )
    assert.deepEqual(
      said.map(({ token }) => token),
      given,
    )
  })

  test('that is not renewed says when it ends, is used until then, and is asked for again', async () => {
    const line = brokenLine()
    line.answers = ({ type }) => (type === 'refresh' ? { type: 'refreshed' } : undefined)
    const first = jwt(8)
    const ends = []
    const token = async () => {
      ends.push(bot.signInEndsAt)
      if (ends.length === 1) return first
      if (ends.length === 2) queueMicrotask(() => line.cut(1006))
      if (ends.length <= 3) throw new Error('the provider is down')
      return jwt(60)
    }
    const bot = keep(new Provider(hub.ws, { WebSocket: line.WebSocket, token }))
    await bot.ready
    await event(bot, 'message', ({ message }) => message.type === 'refreshed')
    const end = JSON.parse(atob(first.split('.')[1])).exp * 1_000
    assert.deepEqual(ends, [Infinity, Infinity, end, end])
    // The client learns of it after this event.
    await new Promise((done) => setImmediate(done))
    assert.equal(bot.signInEndsAt, Infinity)
    const hellos = line.sent.filter(({ type }) => type === 'hello')
    assert.deepEqual(
      hellos.map(({ token }) => token),
      [first, first],
    )
    assert.equal(keep(new Provider(hub.ws, { token: first })).signInEndsAt, end)
  })

  test('that cannot be had just now is asked for again', async () => {
    let asked = 0
    const bot = keep(
      new Provider(hub.ws, {
        token: async () => {
          if (++asked === 1) throw new Error('not yet')
          return 'x'
        },
      }),
    )
    await bot.ready
    assert.equal(asked, 2)
  })
})

const HELP =
  spawnSync(process.env.DESKBELL_BIN ?? join(ROOT, 'target/debug/deskbell'), ['--help'], { encoding: 'utf8' }).stdout ??
  ''

describe(
  'tokens of a hub that asks for them',
  { skip: !HELP.includes('--auth-secret-file') && 'this hub knows no authentication' },
  () => {
    const secret = randomBytes(32).toString('hex')
    const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = (seconds, claims = {}) => {
      const header = encoded({ alg: 'HS256', typ: 'JWT' })
      const exp = Math.floor(Date.now() / 1_000) + seconds
      const text = `${header}.${encoded({ sub: 'bot', role: 'provider', exp, ...claims })}`
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
    }
    let hub
    before(async () => {
      const file = join(process.env.TMPDIR ?? '/tmp', `deskbell-secret-${process.pid}`)
      await writeFile(file, secret, { mode: 0o600 })
      hub = await startHub({ flags: ['--auth-secret-file', file] })
    })
    after(() => hub.dispose())

    test('a function that gives tokens keeps the connection past the end of each', async () => {
      const line = brokenLine()
      let asked = 0
      const bot = keep(new Provider(hub.ws, { WebSocket: line.WebSocket, token: () => (asked++, token(6)) }))
      await bot.ready
      await event(bot, 'message', ({ message }) => message.type === 'refreshed')
      // After the first token has expired; the client fetched a new one at half of its lifetime.
      await late(4_000)
      assert.equal((await bot.kpi('s', true)).value, null)
      assert.ok(asked >= 2)
      assert.equal(line.made, 1)
    })

    test('a string that ends is the end; a fresh one in time is not', async () => {
      const bot = keep(new Provider(hub.ws, { token: token(5) }))
      await bot.ready
      await bot.refresh(token(6))
      const closed = event(bot, 'close')
      assert.equal((await closed).closeCode, 4401)
      const none = keep(new Provider(hub.ws))
      await assert.rejects(none.ready, { closeCode: 4401, code: 'notAllowed' })
    })

    test('a token is never in what the message events show', async () => {
      const bot = keep(new Provider(hub.ws, { token: token(60) }))
      const shown = []
      bot.on('message', ({ message }) => shown.push(message))
      await bot.ready
      await bot.refresh(token(60))
      assert.deepEqual(
        shown.map(({ type }) => type),
        ['hello', 'welcome', 'refresh', 'refreshed'],
      )
      assert.ok(shown.every((message) => !message.token || message.token === '…'))
    })

    test('a hub that refuses every token is not asked for ever', async () => {
      let asked = 0
      const bot = keep(new Provider(hub.ws, { token: () => (asked++, 'bad') }))
      await assert.rejects(bot.ready, { closeCode: 4401 })
      assert.equal(asked, 4)
    })
  },
)
