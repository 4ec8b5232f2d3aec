// The bots of client-demo/bots, each as a process of its own: it rings, marks and resets, and loses no outcome over a
// restart of the hub, nor over its own end.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { Agent } from '../../client-demo/sdk/deskbell.js'
import { event, ROOT, startHub } from '../support/hub.mjs'

const BOTS = join(ROOT, 'client-demo/bots')
const LINES_MAX = 90
const LIMIT_MS = 60_000
/** Long enough that an answer of this test comes before it, short enough to be waited for. */
const PATIENCE_MS = 4_000

const commands = {
  'bot.mjs': () => [process.execPath, '--experimental-websocket'],
  'bot.py': () => [python()],
}

for (const [name, command] of Object.entries(commands)) {
  test(`${name} rings, resumes, and marks what nobody answers`, async (context) => {
    const hub = await startHub()
    context.after(() => hub.dispose())
    const ada = new Agent(hub.ws, { agentId: 'ada' })
    context.after(() => ada.close())
    await ada.ready
    const start = () =>
      runBot(context, [...command(), join(BOTS, name), hub.ws, join(hub.home, 'position'), String(PATIENCE_MS)])
    const rung = async (session) =>
      ada.notifications.find(({ sessionId }) => sessionId === session) ??
      event(ada, 'notification', ({ sessionId }) => sessionId === session, LIMIT_MS)
    const accept = async (session) => assert.equal((await ada.accept((await rung(session)).notificationId)).won, true)

    const bot = start()
    bot.say('conv-1 Grace Hopper')
    assert.equal((await rung('conv-1')).title, 'Grace Hopper wants to chat')
    await accept('conv-1')
    assert.equal(await bot.line(), 'conv-1 Accept Accept ada')

    const marked = event(ada, 'kpi', ({ breached, sessionId }) => breached && sessionId === 'conv-2', LIMIT_MS)
    bot.say('conv-2 Alan')
    await rung('conv-2')
    assert.equal((await marked).details, `no answer after ${PATIENCE_MS} ms`)
    const cleared = event(ada, 'kpi', ({ breached, sessionId }) => !breached && sessionId === 'conv-2', LIMIT_MS)
    await ada.reject((await rung('conv-2')).notificationId)
    assert.equal(await bot.line(), 'conv-2 Reject DeclinedByAgent ada')
    await cleared

    // The hub goes in mid-ring, and another call is made while it is away.
    bot.say('conv-3 Katherine')
    await rung('conv-3')
    const back = event(ada, 'welcome', undefined, LIMIT_MS)
    await hub.kill()
    bot.say('conv-4 Margaret')
    await hub.start()
    await back
    await accept('conv-3')
    assert.equal(await bot.line(), 'conv-3 Accept Accept ada')
    await accept('conv-4')
    assert.equal(await bot.line(), 'conv-4 Accept Accept ada')

    // The bot stops while it rings, restarts, and receives the outcomes settled meanwhile, and only these.
    bot.say('conv-5 Radia')
    await rung('conv-5')
    await bot.kill()
    await accept('conv-5')
    const again = start()
    assert.equal(await again.line(), 'conv-5 Accept Accept ada')
    again.say('conv-6 Frances')
    again.end()
    await accept('conv-6')
    assert.equal(await again.line(), 'conv-6 Accept Accept ada')
    assert.equal(await again.exit(), 0)
    assert.equal(again.complaints(), '')
  })

  test(`${name} connects with a token, needs only the address, and ends when nothing is open`, async (context) => {
    const hub = await startHub({ secret: 'a secret of these tests, long enough to be one' })
    context.after(() => hub.dispose())
    const ada = new Agent(hub.ws, { token: hub.token('ada', 'agent') })
    context.after(() => ada.close())
    await ada.ready
    ada.on('notification', ({ notificationId }) => ada.accept(notificationId).catch(() => {}))
    const file = join(hub.home, 'token')
    await writeFile(file, `${hub.token('any-bot', 'provider')}\n`)
    const run = (...given) =>
      runBot(context, [...command(), join(BOTS, name), ...given], { cwd: hub.home, DESKBELL_TOKEN_FILE: file })

    const bot = run(hub.ws)
    bot.say('conv-1 Grace')
    bot.end()
    assert.equal(await bot.line(), 'conv-1 Accept Accept ada')
    assert.equal(await bot.exit(), 0)
    assert.equal(bot.complaints(), '')
    assert.ok(await readFile(join(hub.home, 'bot.position'), 'utf8'), 'where it keeps its position')

    await writeFile(file, 'no token')
    const refused = run(hub.ws)
    refused.say('conv-2 Alan')
    refused.end()
    assert.equal(await refused.exit(), 1)
  })
}

test(`each bot is shorter than ${LINES_MAX} lines`, async () => {
  for (const name of await readdir(BOTS)) {
    const { length } = (await readFile(join(BOTS, name), 'utf8')).trimEnd().split('\n')
    assert.ok(length < LINES_MAX, `${name} has ${length}`)
  }
})

/** A Python that has the package `websockets`. */
function python() {
  const found = [process.env.DESKBELL_PYTHON, 'python3', '/usr/bin/python3'].find(
    (one) => one && spawnSync(one, ['-c', 'import websockets']).status === 0,
  )
  if (!found)
    throw new Error(
      'no python3 with the package websockets: apt-get install python3-websockets, or set DESKBELL_PYTHON',
    )
  return found
}

function runBot(context, [program, ...given], { cwd, ...env } = {}) {
  const child = spawn(program, given, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  context.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const inTime = async (what, promise) => {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the bot ${what} in time; it said: ${said}`)), LIMIT_MS)
    })
    return Promise.race([promise, late]).finally(() => clearTimeout(timer))
  }
  return {
    say: (line) => child.stdin.write(`${line}\n`),
    end: () => child.stdin.end(),
    line: async () => (await inTime('prints nothing', lines.next())).value,
    /** Its standard error. */
    complaints: () => said,
    exit: async () => (await inTime('does not end', ended))[0],
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
