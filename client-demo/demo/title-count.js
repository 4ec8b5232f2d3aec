// The number of ringing notifications in the page's title and icon, which can be seen while another page is open.

const BELL =
  '<rect width="32" height="32" rx="7" fill="#1f3a5f"/><path d="M6 22a10 10 0 0 1 20 0z" fill="#f2b84b"/>' +
  '<rect x="4" y="23.5" width="24" height="3" rx="1.5" fill="#f2b84b"/>'
const OFFLINE = '#8a5300'
const RINGING = '#c3262e'

const icon = /** @type {HTMLLinkElement | null} */ (document.querySelector('link[rel="icon"]'))
const plainIcon = icon?.href ?? ''
let shown = ''

/**
 * @param {{ name: string, ringing: number, away: boolean, offline: boolean }} desk
 * @param {import('../sdk/desk/texts.js').Texts} texts
 */
export function showTitleCount({ name, ringing, away, offline }, texts) {
  const count = ringing ? `(${ringing}) ` : ''
  let state = name
  if (offline) state = texts.text('page.offline', { name })
  else if (away) state = texts.text('page.away', { name })
  const title = `${count}${state} · deskbell`
  if (document.title !== title) document.title = title
  const badge = badgeText(ringing, offline)
  if (!icon || shown === badge) return
  shown = badge
  icon.href = badge ? drawn(badge, offline ? OFFLINE : RINGING) : plainIcon
}

function badgeText(ringing, offline) {
  if (ringing) return ringing > 9 ? '9+' : String(ringing)
  return offline ? '!' : ''
}

function drawn(badge, ground) {
  const [y, size] = badge.length > 1 ? [15, 12] : [16, 16]
  const font = `font-family="system-ui,sans-serif" font-weight="700" font-size="${size}"`
  const circle = `<circle cx="21.5" cy="10.5" r="10.5" fill="${ground}"/>`
  const text = `<text x="21.5" y="${y}" ${font} text-anchor="middle" fill="#fff">${badge}</text>`
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${BELL}${circle}${text}</svg>`
  return `data:image/svg+xml,${encodeURIComponent(svg)}`
}
