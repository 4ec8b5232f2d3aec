// The style sheets of the desk. Each is made once, and shared by all desks of a page. A constructed sheet needs no
// permission of the host page's Content-Security-Policy.

import { BASE } from './styles/base.js'
import { CARDS } from './styles/cards.js'
import { HEADER } from './styles/header.js'
import { SESSIONS } from './styles/sessions.js'

export const DESK = [BASE, HEADER, CARDS, SESSIONS].join('\n')

/** @type {Map<string, CSSStyleSheet>} */
const sheets = new Map()

/** @param {ShadowRoot} root @param {string} text of the style sheet */
export function adopt(root, text) {
  const sheet = sheets.get(text) ?? new CSSStyleSheet()
  if (!sheets.has(text)) {
    sheet.replaceSync(text)
    sheets.set(text, sheet)
  }
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet)
}
