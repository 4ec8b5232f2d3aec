// The page of one agent. Its address may name the agent, and how the desk looks:
// /desk?agent=ada&layout=panel&language=de&theme=dark.

import { Observer } from '../sdk/deskbell.js'
import { element, setText } from '../sdk/desk/dom.js'
import { loadTexts } from '../sdk/desk/texts.js'
import { SignIn } from '../sdk/sign-in.js'
import { mountDesk } from './desk.js'
import { showTitleCount } from './title-count.js'
import { mountWithSignIn } from './token-form.js'

const here = SignIn.address
const place = /** @type {HTMLElement} */ (document.getElementById('desk'))
const texts = await loadTexts([here.searchParams.get('language'), ...navigator.languages])
document.documentElement.lang = texts.language
document.documentElement.dir = texts.direction
const theme = here.searchParams.get('theme')
if (theme) document.documentElement.dataset.theme = theme
setText(document.querySelector('h1'), texts.text('page.title'))

const attributes = {
  language: here.searchParams.get('language') ?? texts.language,
  layout: here.searchParams.get('layout') ?? undefined,
  theme: theme ?? undefined,
  shortcuts: 'page',
}

/** @param {string} [agentId] */
function openDesk(agentId) {
  mountWithSignIn(place, 'agent', (token) => mount(agentId, token), texts)
}

/** @param {string} [agentId] @param {string | (() => Promise<string>)} [token] */
function mount(agentId, token) {
  const worker = new URL('../desk-worker.js', import.meta.url).href
  const desk = mountDesk(place, { agentId, token, attributes, worker })
  desk.addEventListener('update', () => showTitleCount(desk.summary, texts))
  return desk.client
}

/** Without authentication anybody may be any agent, so the page asks; nobody lands on another's desk. */
function askName() {
  const name = element('input', { id: 'agent', type: 'text', required: true, maxlength: 128, autocomplete: 'username' })
  const submit = (event) => {
    event.preventDefault()
    here.searchParams.set('agent', name.value.trim())
    history.replaceState(null, '', here)
    openDesk(name.value.trim())
  }
  place.replaceChildren(
    element(
      'form',
      { class: 'panel token', submit },
      element('label', { for: 'agent' }, texts.text('page.who')),
      element('div', { class: 'way-in' }, name, element('button', { type: 'submit' }, texts.text('page.open'))),
    ),
  )
  name.focus()
}

/** The hub decides whether it wants a name or a token. An observer's connection rings nobody. */
function askHub() {
  setText(place, texts.text('incoming.connecting'))
  const observer = new Observer('ws')
  const ended = new AbortController()
  observer.on(
    'welcome',
    () => {
      ended.abort()
      observer.close()
      askName()
    },
    { signal: ended.signal },
  )
  observer.on('close', () => openDesk(), { signal: ended.signal })
}

const named = here.searchParams.get('agent')
if (named) openDesk(named)
else askHub()
