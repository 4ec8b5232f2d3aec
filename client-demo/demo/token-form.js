// The way in where the hub asks for tokens: a field to paste one. It stays in this page's memory, and nowhere else: not
// in the address, not in any storage, not in what a browser restores.

import { element, setText } from '../sdk/desk/dom.js'

const BAD_TOKEN = 4401
const NOT_ALLOWED = 4403

/**
 * Mounts a part of the page. Where the hub does not let it in, asks for a token above it, and mounts it again with
 * that.
 * @param {HTMLElement} place
 * @param {'agent' | 'provider' | 'observer'} role what the token must say that its bearer is
 * @param {(token?: string) => any} mount makes the part in `place` and returns its client
 */
export function mountWithToken(place, role, mount) {
  const begin = (token) => {
    mount(token).on('state', ({ state, code, reason }) => {
      // Without a token, that it is not allowed is no matter of tokens.
      if (state !== 'closed' || !(code === BAD_TOKEN || (code === NOT_ALLOWED && token))) return
      place.append(tokenForm(place.id, role, begin, token ? `The hub refused the token: ${reason}.` : ''))
      // Whoever has just sent one stays where they were.
      if (token && document.activeElement === document.body)
        /** @type {HTMLElement | null} */ (place.querySelector('.token input'))?.focus()
    })
  }
  begin()
}

/** @param {string} said of the token before */
function tokenForm(name, role, begin, said) {
  const field = element('input', {
    id: `${name}-way-in`,
    type: 'text',
    required: true,
    autocomplete: 'off',
    spellcheck: 'false',
  })
  const fault = element('p', { class: 'fault', role: 'alert' }, said)
  const submit = (event) => {
    event.preventDefault()
    const token = field.value.trim()
    const wrong = whatIsWrong(token, role)
    setText(fault, wrong)
    if (wrong) return
    field.value = ''
    begin(token)
  }
  return element(
    'form',
    { class: 'panel token', autocomplete: 'off', submit },
    element('label', { for: field.id }, 'Sign-in token'),
    element('div', { class: 'way-in' }, field, element('button', { type: 'submit' }, 'Sign in')),
    fault,
    element(
      'p',
      { class: 'small' },
      'Ask your administrator for a token. Developers: ',
      element('code', {}, `deskbell token --secret-file FILE --sub NAME --role ${role}`),
      '. The token is forgotten when you reload or close this page.',
    ),
  )
}

/** What can be told without the hub: who reads a token need not trust it. Whether it is genuine the hub says. */
function whatIsWrong(token, role) {
  const claims = claimsOf(token)
  if (!claims) return 'That is not a valid token. A token looks like xxxxx.yyyyy.zzzzz.'
  if (claims.role === role) return ''
  const found = typeof claims.role === 'string' ? `the role ${claims.role}` : 'no role'
  return `That token has ${found}; this part of the page needs one with the role ${role}.`
}

function claimsOf(token) {
  try {
    const claims = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')))
    return claims && typeof claims === 'object' ? claims : undefined
  } catch {
    return undefined
  }
}
