// A web server of another site, for pages that embed the desk.

import { once } from 'node:events'
import { createServer } from 'node:http'

/** Starts the site. Each page that it serves gets an address of its own. */
export async function hostPage() {
  const pages = new Map()
  const server = createServer(({ url }, response) => {
    const { text, headers } = pages.get(url) ?? { text: '', headers: {} }
    response.writeHead(pages.has(url) ? 200 : 204, { 'content-type': 'text/html; charset=utf-8', ...headers }).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${server.address().port}`
  return {
    origin,
    /** @returns the address of a page with that text */
    serve(text, headers = {}) {
      const path = `/page-${pages.size}`
      pages.set(path, { text, headers })
      return origin + path
    },
    /** Serves a file of the site at that path. */
    serveAt(path, text, type) {
      pages.set(path, { text, headers: { 'content-type': `${type}; charset=utf-8` } })
    },
    close: () => server.close(),
  }
}

/** The strictest policy under which a page can embed the desk of that hub. */
export function strictPolicy(hub) {
  return [
    "default-src 'none'",
    `script-src ${hub}`,
    `connect-src ${hub} ${hub.replace('http', 'ws')}`,
    "style-src 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
}
