// The desk's service worker: it only passes a click on a desktop notification to the desk's pages. It fetches nothing,
// stores nothing, and never sees a token; a page answers.

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('notificationclick', (event) => {
  const { tag, data } = event.notification
  event.notification.close()
  event.waitUntil(
    pass({ type: 'deskbell.toast', desk: data?.desk, notificationId: tag, action: event.action }, data?.url),
  )
})

async function pass(message, url) {
  const pages = (await self.clients.matchAll({ type: 'window', includeUncontrolled: true })).filter(
    (page) => page.url.split(/[?#]/)[0] === self.registration.scope,
  )
  for (const page of pages) page.postMessage(message)
  // An agent that rejects wants to stay on the current page.
  if (message.action === 'reject' && pages.length) return
  const own = pages.find((page) => page.url === url) ?? pages[0]
  try {
    if (own) await own.focus()
    else if (url) await self.clients.openWindow(url)
  } catch {
    // The browser may refuse to come to the front; the answer is sent anyway.
  }
}
