// Reports to the hub which cards somebody could really see: on the screen, in the foreground tab, not behind a dialog.

import { isCovered } from './dom.js'

const HALF = 0.5

/** @param {import('../deskbell.js').Agent} client @param {AbortSignal} signal ends it */
export function watchVisibility(client, signal) {
  /** @type {Map<Element, { id: string, inView: boolean }>} */
  const waiting = new Map()
  const look = () => {
    if (document.visibilityState !== 'visible' || client.state !== 'open') return
    for (const [card, { id, inView }] of waiting) {
      if (!inView || !card.isConnected || isCovered(card)) continue
      client.seen(id)
      forget(card)
    }
  }
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const entry = waiting.get(target)
        if (entry) entry.inView = isIntersecting
      }
      look()
    },
    { threshold: HALF },
  )
  const forget = (card) => {
    waiting.delete(card)
    observer.unobserve(card)
  }
  document.addEventListener('visibilitychange', look, { signal })
  document.addEventListener('close', look, { capture: true, signal })
  client.on('state', look, { signal })
  signal.addEventListener('abort', () => observer.disconnect())
  return {
    look,
    watch(card, id) {
      waiting.set(card, { id, inView: false })
      observer.observe(card)
    },
    forget,
  }
}
