// How many ring, where one sees it without seeing the page: in its title and in its icon.

const MARK = (text, ground) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f3a5f"/><path d="M6 22a10 10 0 0 1 20 0z" fill="#f2b84b"/><rect x="4" y="23.5" width="24" height="3" rx="1.5" fill="#f2b84b"/>${
    text &&
    `<circle cx="21.5" cy="10.5" r="10.5" fill="${ground}"/><text x="21.5" y="${text.length > 1 ? 15 : 16}" font-family="system-ui,sans-serif" font-weight="700" font-size="${text.length > 1 ? 12 : 16}" text-anchor="middle" fill="#fff">${text}</text>`
  }</svg>`

const icon = /** @type {HTMLLinkElement | null} */ (document.querySelector('link[rel="icon"]'))
let shown = ''

/** @param {{ name: string, ringing: number, away: boolean, offline: boolean }} desk */
export function showTally({ name, ringing, away, offline }) {
  const count = ringing ? `(${ringing}) ` : ''
  const title = `${count}${name}${offline ? ', not connected' : away ? ', away' : ''} · deskbell`
  if (document.title !== title) document.title = title
  const text = ringing ? String(Math.min(ringing, 9)) + (ringing > 9 ? '+' : '') : offline ? '!' : ''
  if (!icon || shown === text) return
  shown = text
  icon.href = text
    ? `data:image/svg+xml,${encodeURIComponent(MARK(text, offline ? '#8a5300' : '#c3262e'))}`
    : '/favicon.svg'
}
