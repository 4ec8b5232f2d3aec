// The two places that show the connection: a lamp with words beside the agent's name, and a banner while the desk may
// be out of date.

import { element, setText } from './dom.js'

export class ConnectionStatus {
  #client
  #health
  #texts

  /**
   * @param {import('../deskbell.js').Agent} client @param {import('./connection-health.js').ConnectionHealth} health
   * @param {import('./texts.js').Texts} texts
   */
  constructor(client, health, texts) {
    this.#client = client
    this.#health = health
    this.#texts = texts
    this.words = element('span')
    this.chip = element('span', { class: 'link', part: 'connection' }, this.words)
    this.banner = element('p', { class: 'stale', part: 'banner', hidden: true })
    this.show()
  }

  /** Call it every second or more often: time alone makes a connection doubtful. */
  show() {
    const { state, reason } = this.#client.connection
    const { doubtful, known, fresh } = this.#health
    this.chip.dataset.state = doubtful ? 'waiting' : state
    setText(this.words, this.#inWords(state, doubtful))
    // Not for agents, who cannot do anything with it, but for whoever helps them.
    this.chip.dataset.reason = reason ?? ''
    this.banner.hidden = fresh || !known
    if (this.banner.hidden) return
    setText(this.banner, this.#bannerWords(state, doubtful))
    this.banner.title = this.banner.textContent
  }

  #inWords(state, doubtful) {
    if (doubtful) return this.#texts.text('connection.checking')
    const { since, retryInMs } = this.#client.connection
    if (state !== 'waiting' || retryInMs === undefined) return this.#texts.text(`connection.${state}`)
    const left = Math.max(1, Math.ceil((since + retryInMs - Date.now()) / 1_000))
    return this.#texts.text('connection.nextTry', { time: this.#texts.span(left * 1_000) })
  }

  #bannerWords(state, doubtful) {
    const time = this.#texts.timeOfDay(this.#health.since)
    if (state === 'closed') return this.#texts.text('connection.banner.closed', { time })
    return this.#texts.text(doubtful ? 'connection.banner.checking' : 'connection.banner.offline', { time })
  }
}
