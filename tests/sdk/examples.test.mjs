// Every example of docs/sdk.md, run exactly as printed: its output is what its comments say.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { Agent, Observer, Provider } from '../../client-demo/sdk/deskbell.js'
import { event, ROOT, startHub } from '../support/hub.mjs'

const LIMIT_MS = 60_000

/** `## title`, then a block of `js`; the word after `js` says what the example needs. */
const examples = [
  ...(await readFile(join(ROOT, 'docs/sdk.md'), 'utf8')).matchAll(/^## (.+)$|^```js ?(\S*)\n([\s\S]*?)^```$/gm),
].reduce(
  (found, [, title, needs, code]) => {
    if (title) found.title = title
    else found.all.push({ title: found.title, needs, code })
    return found
  },
  { title: '', all: [] },
).all

/** What the comments promise: `console.log(…) // this`, and `// prints: this`. */
function promised(code) {
  return [...code.matchAll(/console\.log\(.*?\),? \/\/ (.+)$|\/\/ prints: (.+)$/gm)].map(
    ([, logged, printed]) => logged ?? printed,
  )
}

describe('the examples of docs/sdk.md', () => {
  let hub
  let guarded
  let folder
  let login
  const clients = []
  before(async () => {
    hub = await startHub({ flags: ['--memory'] })
    guarded = await startHub({ flags: ['--memory'], secret: 'a secret of these tests, long enough to be one' })
    folder = await mkdtemp(join(tmpdir(), 'deskbell-examples-'))
    await cp(join(ROOT, 'client-demo/sdk/deskbell.js'), join(folder, 'deskbell.js'))
    await symlink(join(ROOT, 'client-demo/node_modules'), join(folder, 'node_modules'))
    login = createServer((_, response) => response.end(guarded.token('chat-bot-1', 'provider'))).listen(0, '127.0.0.1')
    await once(login, 'listening')
    // Ada accepts every notification for everybody; an agent bob is rung when he connects.
    const ada = new Agent(hub.ws, { agentId: 'ada' })
    ada.on('notification', ({ notificationId }) => ada.accept(notificationId).catch(() => {}))
    const [eye, bot] = [new Observer(hub.ws), new Provider(hub.ws)]
    eye.on('event', ({ event, agentId }) => {
      if (event === 'agentJoined' && agentId === 'bob')
        bot.notify({ templateName: 'msdyn_chat_incoming_unauthenticated', to: { agents: ['bob'] } }).catch(() => {})
    })
    clients.push(ada, eye, bot)
    await Promise.all(clients.map(({ ready }) => ready))
  })
  after(async () => {
    for (const one of clients) one.close()
    login?.close()
    await guarded?.dispose()
    await hub?.dispose()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  test('there are some, and they promise something', () => {
    assert.ok(examples.length >= 10)
    for (const { title, code } of examples) assert.ok(promised(code).length, title)
  })

  for (const [n, { title, needs, code }] of examples.entries()) {
    test(title, () => prints(`example-${n}`, code, needs))
  }

  test('a desk as in the example answers also what rang before it came in', async () => {
    const { code } = examples.find(({ title }) => title === 'A desk')
    const bot = new Provider(hub.ws)
    clients.push(bot)
    const rings = event(bot, 'ack', undefined, LIMIT_MS)
    const answered = bot.notify({ templateName: 'msdyn_chat_incoming_unauthenticated', to: { agents: ['eve'] } })
    await rings
    await prints('earlier', code.replace("'bob'", "'eve'"))
    assert.equal((await answered).agentId, 'eve')
  })

  /** Runs the code: it prints what its comments promise. */
  async function prints(name, code, needs = '') {
    const file = join(folder, `${name}.mjs`)
    await writeFile(
      file,
      code
        .replaceAll('ws://127.0.0.1:8080/ws', needs === 'auth' ? guarded.ws : hub.ws)
        .replaceAll('https://login.example', `http://127.0.0.1:${login.address().port}`),
    )
    const flags = needs === 'without-websocket' ? withoutWebSocket() : ['--experimental-websocket']
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, file], { timeout: LIMIT_MS })
    assert.deepEqual(stdout.trim().split('\n'), promised(code))
  }
})

/** Node 20 has no WebSocket by itself; later versions run with a flag that removes it. */
function withoutWebSocket() {
  return Number(process.versions.node.split('.')[0]) >= 22 ? ['--no-experimental-websocket'] : []
}
