// The way in where the hub asks for tokens: a field to paste one. It stays in this page's memory, and nowhere else: not
// in the address, not in any storage, not in what a browser restores.

import { element } from './dom.js'

const BAD_TOKEN = 4401

/**
 * Mounts a part of the page. Where the hub does not let it in, asks for a token below it, and mounts it again with that.
 * @param {HTMLElement} place
 * @param {(token?: string) => any} mount makes the part in `place` and returns its client
 */
export function mountWithToken(place, mount) {
  const begin = (token) => {
    mount(token).on('state', ({ state, code }) => {
      if (state === 'closed' && code === BAD_TOKEN) place.append(tokenForm(place.id, begin))
    })
  }
  begin()
}

function tokenForm(name, begin) {
  const field = element('input', { id: `${name}-way-in`, type: 'text', required: true, autocomplete: 'off', spellcheck: 'false' })
  const submit = (event) => {
    event.preventDefault()
    const token = field.value.trim()
    field.value = ''
    begin(token)
  }
  return element('form', { class: 'panel token', autocomplete: 'off', submit },
    element('label', { for: field.id }, 'This hub asks for a token'),
    field,
    element('button', { type: 'submit' }, 'Come in'),
    element('p', { class: 'small' }, 'deskbell token --secret-file FILE --sub NAME --role ROLE makes one. It is kept until this page is closed.'))
}
