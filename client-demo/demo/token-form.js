// Sign-in at the hub's OpenID provider, or with a pasted token, if the hub requires tokens. A pasted token stays in
// this page's memory: it is neither in the address nor in any storage nor in anything that a browser restores.

import { element, focusIn, setText } from '../sdk/desk/dom.js'
import { loadTexts } from '../sdk/desk/texts.js'
import { SignIn } from '../sdk/sign-in.js'

const BAD_TOKEN = 4401
const NOT_ALLOWED = 4403
const LATE_MS = 10 * 60_000

/**
 * Mounts a part of the page. If the hub refuses it, asks for a token above it, and mounts it again with the token.
 * @param {HTMLElement} place
 * @param {'agent' | 'provider' | 'observer'} role the role that the token must have
 * @param {(token?: string) => any} mount makes the part in `place` and returns its client
 * @param {import('../sdk/desk/texts.js').Texts} [words] of an agent's page; other pages are in English
 */
export function mountWithToken(place, role, mount, words) {
  const begin = (token) => {
    mount(token).on('state', async ({ state, code, reason }) => {
      // Without a token, "not allowed" has other causes.
      if (state !== 'closed' || !(code === BAD_TOKEN || (code === NOT_ALLOWED && token))) return
      const texts = words ?? (await loadTexts(['en']))
      const refused = token ? refusedInWords(texts, reason) : ''
      place.prepend(tokenForm({ name: place.id, role, begin, refused, texts, forAgent: Boolean(words) }))
      // Whoever has just sent one stays where they were.
      const field = /** @type {HTMLElement | null} */ (place.querySelector('.token input'))
      if (token && field && focusIn(field) === document.body) field.focus()
    })
  }
  begin()
}

/**
 * As {@link mountWithToken}, for a page of one role: if the hub has a sign-in, the page uses that instead of tokens.
 * @param {HTMLElement} place
 * @param {'agent' | 'provider' | 'observer'} role
 * @param {(token?: string | (() => Promise<string>)) => any} mount
 * @param {import('../sdk/desk/texts.js').Texts} [words]
 */
export async function mountWithSignIn(place, role, mount, words) {
  const signIn = await SignIn.open().catch(() => undefined)
  if (!signIn) return mountWithToken(place, role, mount, words)
  const texts = words ?? (await loadTexts(['en']))
  const show = (text, fault = '') => {
    const form = signInForm({ signIn, texts, text, fault })
    const before = place.querySelector('.token')
    if (before) before.replaceWith(form)
    else place.prepend(form)
  }
  if (!signIn.isIn) {
    place.replaceChildren()
    return show(texts.text('signin.lead'), signIn.fault && texts.text('signin.failed', { fault: signIn.fault }))
  }
  const client = mount(signIn.token)
  client.on('state', ({ state, code, reason }) => {
    if (state === 'closed' && (code === BAD_TOKEN || code === NOT_ALLOWED)) show(refusedInWords(texts, reason))
  })
  // The provider may answer again, which needs nobody; until ten minutes before the end nobody is told.
  const look = () => {
    const isLate = signIn.fault && (signIn.isOver || signIn.endsAt - Date.now() < LATE_MS)
    if (isLate) show(texts.text('signin.ends', { time: texts.timeOfDay(signIn.endsAt), fault: signIn.fault }))
    else if (!signIn.fault) place.querySelector('.token')?.remove()
  }
  signIn.addEventListener('change', look)
}

/** @param {{ signIn: SignIn, texts: import('../sdk/desk/texts.js').Texts, text: string, fault: string }} options */
function signInForm({ signIn, texts, text, fault: said }) {
  const fault = element('p', { class: 'fault', role: 'alert' }, said)
  const submit = async (event) => {
    event.preventDefault()
    try {
      await signIn.begin()
    } catch (error) {
      setText(fault, texts.text('signin.failed', { fault: error.message }))
    }
  }
  return element(
    'form',
    { class: 'panel token', submit },
    element('p', {}, text),
    element('button', { type: 'submit' }, texts.text(signIn.isIn ? 'signin.again' : 'signin.in')),
    fault,
  )
}

/**
 * @param {{ name: string, role: string, begin: (token: string) => void, refused: string, texts:
 *   import('../sdk/desk/texts.js').Texts, forAgent: boolean }} options `refused`: why the last token was
 */
function tokenForm({ name, role, begin, refused, texts, forAgent }) {
  const field = element('input', {
    id: `${name}-way-in`,
    type: 'text',
    required: true,
    autocomplete: 'off',
    spellcheck: 'false',
  })
  const fault = element('p', { class: 'fault', role: 'alert' }, refused)
  const submit = (event) => {
    event.preventDefault()
    const token = field.value.trim()
    const wrong = whatIsWrong(token, role, texts)
    setText(fault, wrong)
    if (wrong) return
    field.value = ''
    begin(token)
  }
  const developers = [
    ' Developers: ',
    element('code', {}, `deskbell token --secret-file FILE --sub NAME --role ${role}`),
    '.',
  ]
  return element(
    'form',
    { class: 'panel token', autocomplete: 'off', submit },
    element('label', { for: field.id }, texts.text('signin.label')),
    element('div', { class: 'way-in' }, field, element('button', { type: 'submit' }, texts.text('signin.button'))),
    fault,
    element('p', { class: 'small' }, texts.text('signin.where'), ...(forAgent ? [] : developers)),
  )
}

/** What the page can see in a token. Only the hub knows whether it is genuine. */
function whatIsWrong(token, role, texts) {
  const claims = claimsOf(token)
  if (!claims) return texts.text('signin.notToken')
  if (claims.role === role) return ''
  if (typeof claims.role !== 'string') return texts.text('signin.noRole', { role })
  return texts.text('signin.otherRole', { found: claims.role, role })
}

function claimsOf(token) {
  try {
    const claims = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')))
    return claims && typeof claims === 'object' ? claims : undefined
  } catch {
    return undefined
  }
}

/** The hub's reason begins with "the token is refused", which need not be repeated. */
function refusedInWords(texts, reason) {
  return texts.text('signin.refused', { reason: reason.replace(/^the token is refused: /, '') })
}
