// Takes the README's picture: a hub, the playground, and a few calls on their way.
//
//     node --experimental-websocket client-demo/screenshot.mjs [--dark] [--width 1280] [docs/playground.png]

import { dirname, join } from 'node:path'
import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openBrowser, openPlayground } from '../tests/support/browser.mjs'
import { ROOT, startHub } from '../tests/support/hub.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { dark: { type: 'boolean' }, width: { type: 'string', default: '1280' } },
})
const picture = positionals[0] ?? join(ROOT, 'docs/playground.png')
const hub = await startHub({ flags: ['--memory'] })
const browser = await openBrowser({
  viewport: { width: Number(values.width), height: 800 },
  colorScheme: values.dark ? 'dark' : 'light',
  deviceScaleFactor: 1.25,
})
try {
  const page = await openPlayground(browser.context, hub)
  const { provider, ada, bob } = page
  await provider.ring('Grace Hopper', { Session: 'conv-41' })
  await ada.card(/Grace/).getByRole('button', { name: 'Accept' }).click()
  await provider.call('Grace').getByRole('button', { name: 'Breach KPI' }).click()
  await provider.call('Grace').getByRole('button', { name: 'New message' }).click()
  await ada.session(/Grace/).getByText('1 unread').waitFor()
  await provider.ring('Alan Turing', { Session: 'conv-42' })
  await bob.card(/Alan/).getByRole('button', { name: 'Accept' }).click()
  await bob.session(/Alan/).waitFor()
  await provider.ring('Edsger Dijkstra', { Session: 'conv-43' })
  const card = ada.card(/Edsger/)
  await card.getByLabel('Reason for a reject').fill('on another line')
  await card.getByRole('button', { name: 'Reject' }).click()
  await provider.region.getByLabel('Template', { exact: true }).selectOption({ label: 'Phone call' })
  await provider.ring('Katherine Johnson', { Session: '' })
  await ada.card(/Katherine/).waitFor()
  await page.wire.getByText('seen', { exact: true }).last().waitFor()
  // So that the bar has something to show, and no button looks pressed.
  await page.waitForTimeout(2_000)
  await page.mouse.move(0, 0)
  await page.evaluate(() => document.activeElement?.blur())
  mkdirSync(dirname(picture), { recursive: true })
  await page.screenshot({ path: picture, fullPage: true })
} finally {
  await browser.dispose()
  await hub.dispose()
}
