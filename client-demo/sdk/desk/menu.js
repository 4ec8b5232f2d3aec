// The button beside the presence, behind which are the sound, the agent's choices and the keyboard shortcuts.

import { element } from './dom.js'
import { picture } from './icons.js'

export class Menu {
  #texts

  constructor(texts, openKeys, signal) {
    this.#texts = texts
    this.icon = element('span', {}, picture('settings'))
    this.summary = element('summary', { 'aria-label': texts.text('settings.title') }, this.icon)
    const keys = element(
      'button',
      {
        type: 'button',
        class: 'quiet',
        click: () => {
          this.node.open = false
          openKeys()
        },
      },
      texts.text('keys.title'),
    )
    this.panel = element('div', { role: 'group', 'aria-label': texts.text('settings.title') }, keys)
    this.node = element('details', { class: 'menu', part: 'menu' }, this.summary, this.panel)
    document.addEventListener(
      'click',
      (event) => {
        if (!event.composedPath().includes(this.node)) this.node.open = false
      },
      { signal },
    )
    this.node.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.node.open) return
      this.node.open = false
      this.summary.focus()
    })
  }

  add(node) {
    this.panel.prepend(node)
  }

  show(state, muted, rings) {
    const name = this.#texts.text('settings.menu', { state })
    if (this.summary.title === name) return
    this.summary.title = name
    this.summary.setAttribute('aria-label', name)
    this.node.toggleAttribute('data-muted', muted)
    this.node.toggleAttribute('data-rings', rings)
    this.icon.replaceChildren(picture(muted ? 'muted' : 'sound'))
  }
}
