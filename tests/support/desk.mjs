// The agent's desk on its own page, as a person finds things in it.

import { Provider } from '../../client-demo/sdk/deskbell.js'
import { openPage } from './browser.mjs'

/** For a machine that has much else to do. */
const TIMEOUT_MS = 30_000

/** Templates that the desk's tests ring with. */
export const TEMPLATES = `
[[templates]]
name = "chat"
title = "{customerName} wants to chat"
icon = "chat"
fields = [ { label = "Customer", value = "{customerName}" } ]

[[templates]]
name = "call"
title = "{customerName} is calling"
icon = "phone"
timeout = "10500ms"
buttons = { accept = "Take it", reject = "Not now" }

[[templates]]
name = "brief"
title = "{customerName} rings briefly"
timeout = "300ms"

[[templates]]
name = "parcel"
title = "A parcel for {customerName}"
icon = "parcel"
showTimeout = false
`

/** Browsers with desks that record all announcements. */
const heard = new WeakSet()

/** Opens the desk of that agent. */
export async function openDesk(context, hub, agentId) {
  if (!heard.has(context)) await context.addInitScript(keepNews)
  heard.add(context)
  const page = await openPage(context, `${hub.url}/desk?agent=${agentId}`)
  page.setDefaultTimeout(TIMEOUT_MS)
  await untilUntouched(
    page,
    "Boolean(document.querySelector('deskbell-desk')?.shadowRoot?.querySelector('.desk[data-keys] .sound'))",
  )
  const desk = Object.assign(page, partsOf(page, agentId), {
    /** All announcements to screen readers, in order. */
    news: () => page.evaluate(() => window.news),
    /** Waits for that announcement; later ones may have followed. */
    told: (words) =>
      until(async () => {
        const news = await desk.news()
        return news.some((text) => text.includes(words)) ? words : news
      }, words),
  })
  await desk.connected()
  return desk
}

/**
 * Waits until that is true in the page, without touching it. Whatever the driver evaluates counts as a person's
 * gesture,
 * also the looks of its locators. A desk that was "touched" before it made its sound would be allowed to ring at once.
 * @param {import('playwright-core').Page} page @param {string} expression
 */
async function untilUntouched(page, expression) {
  const debug = await page.context().newCDPSession(page)
  const look = () => debug.send('Runtime.evaluate', { expression, userGesture: false, returnByValue: true })
  await until(async () => (await look()).result.value, true)
  await debug.detach()
}

/** In the page: records the live region, because each announcement replaces the one before. */
function keepNews() {
  window.news = []
  const { attachShadow } = Element.prototype
  Element.prototype.attachShadow = function (options) {
    const root = attachShadow.call(this, options)
    new MutationObserver((changes) => {
      const region = root.querySelector('[role=status][aria-label=News]')
      if (region?.textContent && changes.some(({ target }) => region.contains(target)))
        window.news.push(region.textContent)
    }).observe(root, { childList: true, characterData: true, subtree: true })
    return root
  }
}

/** Opens a desk with a stopped clock, which all pages of that browser share; only `clock.runFor` advances it. */
export async function openStillDesk(context, hub, agentId) {
  await context.clock.install()
  const desk = await openDesk(context, hub, agentId)
  await context.clock.pauseAt((await desk.evaluate(() => Date.now())) + 1_000)
  return desk
}

export function partsOf(page, agentId) {
  const region = page.getByRole('region', { name: `Desk of ${agentId}` })
  const ringing = region.getByRole('list', { name: 'Incoming' })
  const sessions = region.getByRole('list', { name: 'Sessions' })
  const menu = region.getByLabel(/^Sound and shortcuts/).first()
  return {
    region,
    ringing,
    card: (title) => ringing.getByRole('article', { name: title }),
    /** That card, if it is the one that keys answer. */
    marked: (title) => ringing.locator('[aria-current=true]').and(ringing.getByRole('article', { name: title })),
    /** The text of a card that has ended and still keeps its place. */
    ended: (words) => ringing.getByRole('group', { name: words }),
    accept: (title) => ringing.getByRole('article', { name: title }).getByRole('button').first(),
    sessions,
    session: (title) => sessions.getByRole('listitem').filter({ hasText: title }),
    recent: region.getByRole('list', { name: 'Recent activity' }),
    available: region.getByRole('switch', { name: 'Available' }),
    /** The button with the sound and the shortcuts behind it. */
    menu,
    /** Waits until the sound is in that state. */
    sound: (state) => region.getByLabel(`Sound and shortcuts. ${state}`).first().waitFor(),
    /** The line that warns of stale data and of anything that could make this agent miss a call. */
    line: region.getByRole('group', { name: 'Readiness' }),
    fixes: region.getByRole('list', { name: 'What could make you miss a call' }),
    details: region.getByText('Details', { exact: true }),
    connected: () => region.getByText('Connected', { exact: true }).waitFor(),
  }
}

/** A bot that rings for those agents only. The last argument may be the options of its client. */
export function bot(hub, ...agents) {
  const options = typeof agents.at(-1) === 'object' ? agents.pop() : { providerId: 'bot' }
  const provider = new Provider(hub.ws, options)
  return {
    provider,
    close: () => provider.close(),
    /** @returns the call's promise, with the token that cancels it */
    ring(customerName, { templateName = 'chat', ...more } = {}) {
      const cancellationToken = crypto.randomUUID()
      const result = provider.notify({
        templateName,
        templateParameters: { customerName },
        cancellationToken,
        to: { agents },
        ...more,
      })
      result.catch(() => {})
      return { result, cancellationToken, cancel: () => provider.cancel(cancellationToken) }
    },
  }
}

/**
 * Makes a page one that nobody looks at, or one that somebody does. A browser without a screen shows all its tabs, so
 * the page is told as it would be.
 */
export async function setVisible(page, visible) {
  await page.evaluate(
    (state) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state })
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => state === 'hidden' })
      document.dispatchEvent(new Event('visibilitychange'))
    },
    visible ? 'visible' : 'hidden',
  )
}

/** Counts the rings that sound in a page: `window.sounding`. */
export function listenIn(context) {
  return context.addInitScript(() => {
    window.sounding = 0
    const { start, stop } = AudioBufferSourceNode.prototype
    AudioBufferSourceNode.prototype.start = function (...when) {
      if (this.loop) window.sounding++
      return start.apply(this, when)
    }
    AudioBufferSourceNode.prototype.stop = function (...when) {
      if (this.loop) window.sounding--
      return stop.apply(this, when)
    }
  })
}

/** Lets a test know which desktop notifications a page has brought up: `window.toasted`. */
export function watchToasts(context) {
  return context.addInitScript(() => {
    window.toasted = []
    const { showNotification } = ServiceWorkerRegistration.prototype
    ServiceWorkerRegistration.prototype.showNotification = async function (title, ...more) {
      await showNotification.call(this, title, ...more)
      window.toasted.push(title)
    }
  })
}

/**
 * Waits until one of the pages has brought up those. Not by asking the browser: while it shows one, its answer lacks
 * it.
 */
export async function toasted(pages, titles) {
  await until(async () => {
    const shown = (await Promise.all(pages.map((page) => page.evaluate(() => window.toasted)))).flat()
    return titles.filter((title) => !shown.includes(title))
  }, [])
}

/** What the desktop shows of the desk's notifications, by their titles. */
export function toasts(page) {
  return page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready
    return (await registration.getNotifications()).map(({ title }) => title)
  })
}

/** A person presses a button of a desktop notification; `''` is the notification itself. */
export async function pressToast(page, title, action) {
  const { href } = new URL('/desk-worker.js', page.url())
  const worker = page
    .context()
    .serviceWorkers()
    .find((one) => one.url() === href)
  return worker.evaluate(
    async ([title, action]) => {
      const toast = (await self.registration.getNotifications()).find((one) => one.title === title)
      self.dispatchEvent(new NotificationEvent('notificationclick', { notification: toast, action }))
      return { data: toast.data, actions: toast.actions.map((one) => one.title), body: toast.body }
    },
    [title, action],
  )
}

/** Waits until `look` returns a value that matches the expected one. */
export async function until(look, expected, ms = TIMEOUT_MS) {
  const end = Date.now() + ms
  for (;;) {
    const found = await look()
    if (JSON.stringify(found) === JSON.stringify(expected)) return
    if (Date.now() > end) throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`)
    await new Promise((done) => setTimeout(done, 25))
  }
}
