// Takes the pictures of the playground and of an agent's desk, in both themes: a hub, and a few calls on their way.
//
//     node --experimental-websocket client-demo/screenshot.mjs [--width 1280] [--height 800] [a folder, by default
// docs]

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openBrowser, openPlayground } from '../tests/support/browser.mjs'
import { openDesk } from '../tests/support/desk.mjs'
import { ROOT, startHub } from '../tests/support/hub.mjs'
import { Agent, Provider } from './sdk/deskbell.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { width: { type: 'string', default: '1280' }, height: { type: 'string', default: '720' } },
})
const folder = positionals[0] ?? join(ROOT, 'docs')
const TEMPLATES = `
[[templates]]
name = "chat"
title = "{customerName} wants to chat"
icon = "chat"
timeout = "110s"
fields = [
  { label = "Customer", value = "{customerName}" },
  { label = "About", value = "{about}" },
  { label = "Language", value = "{language|en}" },
]
[[templates]]
name = "call"
title = "{customerName} is calling"
icon = "phone"
timeout = "12s"
buttons = { accept = "Take it", reject = "Not now" }
fields = [ { label = "Number", value = "{number}" }, { label = "Queue", value = "{queue}" } ]
[[templates]]
name = "text"
title = "{customerName} has written"
icon = "sms"
timeout = "90s"
fields = [ { label = "Number", value = "{number}" } ]
`

mkdirSync(folder, { recursive: true })
const browser = await openBrowser({
  viewport: { width: Number(values.width), height: Number(values.height) },
  reducedMotion: 'reduce',
})
try {
  for (const theme of ['light', 'dark']) {
    await picture(`playground${theme === 'dark' ? '-dark' : ''}`, theme, playground)
    await picture(`desk-${theme}`, theme, desk)
  }
} finally {
  await browser.dispose()
}

/** One picture, of a hub of its own. */
async function picture(name, colorScheme, open) {
  const hub = await startHub({ flags: ['--memory'], toml: TEMPLATES })
  const clients = []
  try {
    await browser.context.grantPermissions(['notifications'], { origin: hub.url })
    const page = await open(hub, clients)
    await page.emulateMedia({ colorScheme })
    // So that the clocks have something to show, and no button looks pressed.
    await page.mouse.move(0, 0)
    await page.evaluate(() => document.activeElement?.blur())
    await page.waitForTimeout(2_500)
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
    await page.close()
  } finally {
    for (const one of clients) one.close()
    await hub.dispose()
  }
}

async function playground(hub) {
  const page = await openPlayground(browser.context, hub)
  const { provider, ada, bob } = page
  await provider.ring('Grace Hopper', { template: 'msdyn_chat_incoming_unauthenticated', Session: 'conv-41' })
  await ada.card(/Grace/).getByRole('button', { name: 'Accept' }).click()
  await provider.session(/Grace/).getByRole('button', { name: 'Breach KPI' }).click()
  await provider.session(/Grace/).getByRole('button', { name: 'New activity' }).click()
  await ada.session(/Grace/).getByText('1 unread').waitFor()
  await provider.ring('Alan Turing', { Session: 'conv-42' })
  await bob.card(/Alan/).getByRole('button', { name: 'Accept' }).click()
  await bob.session(/Alan/).waitFor()
  await page.mouse.move(0, 0)
  for (const one of [ada, bob]) await one.ringing.getByRole('listitem').first().waitFor({ state: 'detached' })
  await provider.ring('Katherine Johnson', { Session: '' })
  await ada.card(/Katherine/).waitFor()
  await page.wire.getByText('seen', { exact: true }).last().waitFor()
  return page
}

async function desk(hub, clients) {
  const page = await openDesk(browser.context, hub, 'ada')
  const bot = new Provider(hub.ws, { providerId: 'chat-bot-1' })
  const bob = new Agent(hub.ws, { agentId: 'bob' })
  clients.push(bot, bob)
  await bob.ready
  const ring = (templateName, templateParameters, more) => {
    bot.notify({ templateName, templateParameters, ...more }).catch(() => {})
    return page.card(templateParameters.customerName).waitFor()
  }
  for (const [customerName, sessionId, about] of [
    ['Grace Hopper', 'conv-41', 'A parcel that is late'],
    ['Alan Turing', 'conv-42', 'An invoice'],
  ]) {
    await ring('chat', { customerName, about }, { sessionId, to: { agents: ['ada'] } })
    await page.accept(customerName).click()
    await page.session(customerName).waitFor()
  }
  await bot.kpi('conv-41', false, 'first response > 60 s')
  await bot.activity('conv-42', 3)
  await bot.kpi('conv-17', false, 'waiting > 5 min')
  await page.mouse.move(0, 0)
  await page.ringing.getByRole('listitem').first().waitFor({ state: 'detached' })
  await ring('call', { customerName: 'Katherine Johnson', number: '+1 757 555 0100', queue: 'Flight desk' })
  await ring('chat', { customerName: 'Edsger Dijkstra', about: 'The shortest way', language: 'nl' })
  await ring('text', { customerName: 'Radia Perlman', number: '+1 617 555 0101' })
  await bob.accept(bob.notifications.find(({ title }) => title.startsWith('Radia')).notificationId)
  await page.ended(/taken by bob/).waitFor()
  return page
}
