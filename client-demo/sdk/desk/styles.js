// The style sheet of the desk, made once and shared by all desks of a page. A constructed sheet needs no permission of
// the host page's Content-Security-Policy.

import { BASE } from './styles/base.js'
import { CARDS } from './styles/cards.js'
import { HEADER } from './styles/header.js'
import { SESSIONS } from './styles/sessions.js'

export const STYLES = [BASE, HEADER, CARDS, SESSIONS].join('\n')

/** @type {CSSStyleSheet | undefined} */
let sheet

export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet()
    sheet.replaceSync(STYLES)
  }
  return sheet
}
