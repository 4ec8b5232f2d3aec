// Takes the pictures of the console and the dashboard, in both themes: a hub, three agents at work, and a morning's
// calls.
//
//     node --experimental-websocket client-demo/screenshots.mjs [--width 1280] [a folder, by default docs]

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openBrowser, openPage } from '../tests/support/browser.mjs'
import { event, ROOT, startHub } from '../tests/support/hub.mjs'
import { Agent, Provider } from './sdk/deskbell.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { width: { type: 'string', default: '1280' } },
})
const folder = positionals[0] ?? join(ROOT, 'docs')
const TEMPLATES = `
[[templates]]
name = "vip_call"
title = "{customerName|A customer} is calling"
icon = "phone"
timeout = "20s"
queueTimeout = "45s"
fields = [ { label = "Number", value = "{phoneNumber|unknown}" }, { label = "Queue", value = "{queue}" } ]
[[templates]]
name = "quick"
title = "{customerName|A customer} is in a hurry"
timeout = "1500ms"
`
const CHAT = 'msdyn_chat_incoming_unauthenticated'
const NAMES = [
  'Grace Hopper',
  'Alan Turing',
  'Edsger Dijkstra',
  'Barbara Liskov',
  'Donald Knuth',
  'Frances Allen',
  'Tony Hoare',
  'Radia Perlman',
]

const hub = await startHub({ flags: ['--memory'], toml: TEMPLATES })
const browser = await openBrowser({ viewport: { width: Number(values.width), height: 900 } })
const clients = []
try {
  mkdirSync(folder, { recursive: true })
  const dashboard = await openPage(browser.context, `${hub.url}/dashboard`)
  await dashboard.getByText('connected', { exact: true }).waitFor()
  const agents = ['ada', 'bob', 'carol'].map((agentId) => new Agent(hub.ws, { agentId }))
  const bot = new Provider(hub.ws, { providerId: 'chat-bot-1' })
  clients.push(...agents, bot)
  await Promise.all(clients.map(({ ready }) => ready))

  // The morning: each call is answered after a while of its own, some by nobody.
  const answers = [
    [0, 400],
    [1, 900],
    [2, 1_300],
    [0, 2_200],
    null,
    [1, 2_600],
    [2, 700],
    [0, 5_400],
    [1, 1_700],
    [2, 3_100],
    [0, 1_100],
    null,
  ]
  await Promise.all(
    answers.map(async (answer, n) => {
      await new Promise((done) => setTimeout(done, n * 350))
      const [agent, afterMs] = answer ? [agents[answer[0]], answer[1]] : []
      const to = { agents: [agent?.agentId ?? 'carol'] }
      const call = bot.notify({
        templateName: agent ? CHAT : 'quick',
        templateParameters: { customerName: NAMES[n % NAMES.length] },
        sessionId: `conv-${n}`,
        to,
      })
      if (!agent) return call
      const { notificationId } = await event(agent, 'notification', ({ sessionId }) => sessionId === `conv-${n}`)
      agent.seen(notificationId)
      await new Promise((done) => setTimeout(done, afterMs))
      if (n % 6 === 5) await agent.reject(notificationId, 'on another line')
      else await agent.accept(notificationId)
      return call
    }),
  )
  await bot.kpi('conv-3', false, 'first response > 60 s')
  await bot.kpi('conv-7', false, 'first response > 60 s')
  await agents[2].setPresence('away')

  const page = await openPage(browser.context, `${hub.url}/console`)
  await page.getByText('connected', { exact: true }).waitFor()
  const ring = async (template, parameters, afterMs = 0) => {
    await page.getByLabel('Template', { exact: true }).selectOption(template)
    for (const [name, value] of Object.entries(parameters)) await page.getByLabel(name, { exact: true }).fill(value)
    const rung = event(agents[0], 'notification')
    await page.getByRole('button', { name: 'Ring', exact: true }).click()
    const { notificationId } = await rung
    for (const agent of agents.slice(0, 2)) agent.seen(notificationId)
    await page.waitForTimeout(afterMs)
    return notificationId
  }
  await agents[1].accept(await ring(CHAT, { customerName: 'Grace Hopper' }, 1_400))
  await agents[0].reject(await ring(CHAT, { customerName: 'Edsger Dijkstra' }, 2_100), 'on another line')
  await page.getByRole('button', { name: /^Session of Grace/ }).click()
  await page.getByRole('button', { name: 'Breach KPI' }).click()
  await page.getByRole('img', { name: 'in breach' }).waitFor()
  await ring('vip_call', { customerName: 'Katherine Johnson', queue: 'billing' })
  await page.getByLabel('phoneNumber').fill('+1 555 0100')
  for (const one of [page, dashboard]) {
    await one.mouse.move(0, 0)
    await one.evaluate(() => document.activeElement?.blur())
  }
  await dashboard.getByText(/^[1-9]\d* open/).waitFor()
  // So that the clocks on the pages have something to show.
  await page.waitForTimeout(2_000)
  for (const colorScheme of ['light', 'dark']) {
    for (const [name, one] of [
      ['console', page],
      ['dashboard', dashboard],
    ]) {
      await one.emulateMedia({ colorScheme })
      await one.bringToFront()
      await one.waitForTimeout(500)
      await one.screenshot({ path: join(folder, `${name}-${colorScheme}.png`), fullPage: true })
    }
  }
} finally {
  for (const one of clients) one.close()
  await browser.dispose()
  await hub.dispose()
}
