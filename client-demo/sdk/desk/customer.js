// The customer of a session: the lines of its card, and the link to the customer page. Loaded after the desk is drawn.

import { element } from './dom.js'
import { picture } from './icons.js'
import { onPreferences, prefer, preferences } from './preferences.js'
import { css } from './styles/css.js'

export const CUSTOMER = css`
  .choice {
    display: flex;
    align-items: baseline;
    gap: 0.5em;
    font-size: 0.92em;
  }
  .fields {
    display: flex;
    flex-wrap: wrap;
    gap: 0 1em;
    margin: 0.2em 0 0;
    font-size: 0.88em;
  }
  .fields div {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 0 0.4em;
    max-width: 100%;
  }
  .fields dd a {
    font-size: 1em;
  }
  .fields dt {
    color: var(--faint);
  }
  .fields dd {
    min-width: 0;
    margin: 0;
    overflow-wrap: anywhere;
  }
  .customer-of a {
    display: inline-flex;
    align-items: center;
    gap: 0.35em;
    min-height: 24px;
    color: var(--accent);
    font-size: 0.92em;
  }
`

/** A telephone number as people write it: six digits or more, perhaps grouped. */
const NUMBER = /^\+?[\d\s()./-]{6,32}$/

/**
 * @param {import('./texts.js').Texts} texts
 * @param {import('../deskbell.js').Session} session
 * @returns {HTMLElement[]} empty if the card had neither lines nor a link
 */
export function customerOf(texts, { title, fields = [], link }) {
  const lines = fields.map(({ label, value }) =>
    element('div', {}, element('dt', { dir: 'auto' }, label), element('dd', { dir: 'auto' }, shown(value))),
  )
  const parts = []
  if (lines.length) parts.push(element('dl', { class: 'fields', part: 'fields' }, ...lines))
  if (isWebAddress(link)) {
    parts.push(
      element(
        'a',
        {
          class: 'customer',
          part: 'link',
          href: link,
          target: '_blank',
          rel: 'noopener noreferrer',
          'aria-label': texts.text('action.customerOf', { title }),
        },
        texts.text('action.customer'),
        picture('external'),
      ),
    )
  }
  return parts
}

/** The choice whether the customer's page opens after an accept. @param {import('./texts.js').Texts} texts */
export function customerChoice(texts, signal) {
  const box = element('input', { type: 'checkbox', change: () => prefer({ openCustomer: box.checked }) })
  const show = () => {
    box.checked = preferences().openCustomer
  }
  onPreferences(show, signal)
  show()
  return element('label', { class: 'choice' }, box, texts.text('settings.openCustomer'))
}

/**
 * Opens the customer's page in a new tab that cannot reach this one, if the agent chose that. The browser may refuse;
 * the link stays.
 */
export function openIfChosen(link) {
  if (preferences().openCustomer && isWebAddress(link)) open(link, '_blank', 'noopener,noreferrer')
}

function shown(value) {
  const digits = value.replace(/[^\d+]/g, '')
  return NUMBER.test(value) && digits.length >= 6 ? element('a', { href: `tel:${digits}` }, value) : value
}

/** The hub sends no other addresses, but a desk may be connected to another hub. */
function isWebAddress(link) {
  return typeof link === 'string' && /^https?:\/\//.test(link)
}
