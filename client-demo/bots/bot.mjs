// A whole provider bot on the SDK. Each line of its input, `SESSION NAME`, rings; how it ended is printed. A call that
// nobody answers in time marks its session. No outcome is lost over a reconnection, nor over a restart of the bot
// itself: its position is kept in a file.
//
//     echo 'conv-42 Grace' | node bot.mjs ws://127.0.0.1:8080/ws bot.position 20000
//
// Use a new id for every conversation. Node 20 needs --experimental-websocket. If the hub requires a token,
// DESKBELL_TOKEN_FILE names the file that contains it.

import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Provider } from '../sdk/deskbell.js'

const [hub = 'ws://127.0.0.1:8080/ws', file = 'bot.position', patienceMs = '20000'] = process.argv.slice(2)
const tokenFile = process.env.DESKBELL_TOKEN_FILE
/** By session, what rings: the timer that runs out when nobody answers. */
const ringing = new Map()
let inputEnded = false

const bot = new Provider(hub, {
  providerId: tokenFile ? undefined : 'bot-node',
  resume: read(file) ?? true,
  // A function is asked again at each connection, and in time before a token ends.
  token: tokenFile && (() => read(tokenFile)),
})
bot.on('welcome', ({ open, missed }) => {
  if (missed) console.error('away for too long: some outcomes are forgotten')
  for (const { id } of open) if (!ringing.has(id)) watch(id)
})
bot.on('result', ({ id, value, agentId, position }) => {
  console.log(id, value.actionName, value.responseReason, agentId ?? 'nobody')
  writeFileSync(file, position)
  bot
    .kpi(id, true)
    .catch(complain)
    .finally(() => done(id))
})
bot.on('close', ({ closeCode }) => {
  process.exitCode = closeCode === 1000 ? 0 : 1
})
bot.ready.catch(complain)

for await (const line of createInterface({ input: process.stdin })) {
  const [session, ...name] = line.trim().split(' ')
  watch(session)
  // The conversation's id makes a repeated line the same notification.
  bot
    .notify({
      id: session,
      sessionId: session,
      templateName: 'msdyn_chat_incoming_unauthenticated',
      templateParameters: { customerName: name.join(' ') },
    })
    .catch((error) => {
      complain(error)
      done(session)
    })
}
inputEnded = true
done()

function watch(session) {
  const late = () => bot.kpi(session, false, `no answer after ${patienceMs} ms`).catch(complain)
  ringing.set(session, setTimeout(late, Number(patienceMs)))
}
function done(session) {
  clearTimeout(ringing.get(session))
  ringing.delete(session)
  if (inputEnded && !ringing.size) bot.close()
}
function complain({ code, detail }) {
  console.error(code, detail)
}
function read(name) {
  try {
    return readFileSync(name, 'utf8').trim()
  } catch {
    return undefined
  }
}
