// The desk's service worker: it only carries a click on a desktop notification to the desk's pages. It fetches nothing,
// keeps nothing, and never learns a token; a page answers.

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
  // Who rejects wants to stay where they are.
  if (message.action === 'reject' && pages.length) return
  const own = pages.find((page) => page.url === url) ?? pages[0]
  try {
    if (own) await own.focus()
    else if (url) await self.clients.openWindow(url)
  } catch {
    // A browser that does not let itself be brought to the front: the answer is given all the same.
  }
}
