// A real browser, and the playground as a person finds things in it: by role and name.

import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from '../../client-demo/node_modules/playwright-core/index.mjs'
import { ROOT } from './hub.mjs'
import { watchPages } from './wire.mjs'

const CHROMIUM = process.env.DESKBELL_CHROMIUM ?? '/usr/bin/chromium'
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Starts a browser with a profile of its own.
 * @param {import('playwright-core').BrowserContextOptions & { led?: string, args?: string[] }} [options] `led`: a name
 *   that leads to this machine; `args`: further arguments of the browser
 */
export async function openBrowser({ led = '', args: more = [], ...options } = {}) {
  if (!existsSync(CHROMIUM))
    throw new Error(`no browser at ${CHROMIUM}: apt-get install chromium, or set DESKBELL_CHROMIUM`)
  const profile = await mkdtemp(join(tmpdir(), 'deskbell-browser-'))
  const args = [...ARGUMENTS, ...more]
  if (led) args.push(`--host-resolver-rules=MAP ${led} 127.0.0.1`)
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args,
    viewport: { width: 1280, height: 900 },
    ...options,
  })
  context.setDefaultTimeout(10_000)
  watchPages(context)
  if (process.env.DESKBELL_PAGES) await servePages(context, process.env.DESKBELL_PAGES)
  return {
    context,
    async dispose() {
      await context.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
}

const CONTENT_TYPES = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }

/**
 * Serves scripts and style sheets from a folder instead of the hub's binary, so that a change to them needs no build.
 * HTML still comes from the hub: Chromium lets no page that a test serves connect to loopback. Only for work on the
 * pages: DESKBELL_PAGES=client-demo, from the root of the repository.
 */
async function servePages(context, folder) {
  const headersOf = new Map()
  const isHub = (url) => url.hostname === '127.0.0.1'
  await context.route(isHub, async (route) => {
    const { origin, pathname } = new URL(route.request().url())
    const type = CONTENT_TYPES[pathname.split('.').at(-1)]
    const file = join(ROOT, folder, pathname)
    if (!type || !existsSync(file) || route.request().method() !== 'GET') return route.fallback()
    if (!headersOf.has(origin)) headersOf.set(origin, Object.fromEntries((await fetch(origin)).headers))
    const { 'content-length': _, ...headers } = headersOf.get(origin)
    await route.fulfill({
      status: 200,
      headers: { ...headers, 'content-type': `${type}; charset=utf-8`, 'access-control-allow-origin': '*' },
      body: readFileSync(file),
    })
  })
}

/**
 * Opens a page and keeps what went wrong in it: errors of scripts, and what the Content-Security-Policy refused.
 */
export async function openPage(context, url) {
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    // That a hub is away for a while is part of some tests, and of life.
    if (message.type() === 'error' && !/WebSocket connection to/.test(message.text())) faults.push(message.text())
  })
  await page.goto(url)
  return Object.assign(page, { faults })
}

/** The parts of the playground. */
export function parts(page) {
  const region = (name) => page.getByRole('region', { name })
  return {
    provider: consoleIn(region('Provider')),
    ada: deskIn(region('Desk of ada')),
    bob: deskIn(region('Desk of bob')),
    wire: region('On the wire'),
  }
}

/** Opens the playground, and waits until everybody in it is connected. */
export async function openPlayground(context, hub) {
  const page = await openPage(context, hub.url)
  const playground = parts(page)
  for (const one of [playground.provider, playground.ada, playground.bob]) await connected(one)
  return Object.assign(page, playground)
}

export async function connected(part) {
  await part.region
    .getByText(/^connected$/i)
    .first()
    .waitFor()
}

function consoleIn(region) {
  const calls = region.getByRole('table', { name: 'Calls' })
  const field = (label) => region.getByLabel(label, { exact: true })
  return {
    region,
    calls,
    /** The newest call for that customer. */
    call: (customer) => calls.getByRole('row').filter({ hasText: customer }).first(),
    /** The actions on the session of the newest call for that customer. */
    session: (customer) => calls.getByRole('group', { name: customer }).first(),
    async ring(customer, { template, ...more } = {}) {
      if (template) await field('Template').selectOption(template)
      await field('customerName').fill(customer)
      if (Object.keys(more).length) await region.getByText('More fields').click()
      for (const [label, value] of Object.entries(more)) await field(label).fill(value)
      if (Object.keys(more).length) await region.getByText('More fields').click()
      await region.getByRole('button', { name: 'Ring', exact: true }).click()
    },
  }
}

function deskIn(region) {
  const ringing = region.getByRole('list', { name: 'Incoming' })
  return {
    region,
    ringing,
    card: (title) => ringing.getByRole('article', { name: title }),
    session: (title) => region.getByRole('list', { name: 'Sessions' }).getByRole('listitem').filter({ hasText: title }),
    recent: region.getByRole('list', { name: 'Recent activity' }),
    /** The line that says how many other sessions are in breach, and opens the list of them. */
    elsewhere: region.locator('.elsewhere'),
    available: region.getByRole('switch', { name: 'Available' }),
  }
}
