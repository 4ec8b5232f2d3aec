// Tells the hub what has really been before someone's eyes: on the screen, in a window that shows, under nothing.

const HALF = 0.5

/** @param {import('../deskbell.js').Agent} agent */
export function watchVisibility(agent) {
  const waiting = new Map()
  const look = () => {
    if (document.visibilityState !== 'visible' || agent.state !== 'open' || document.querySelector('dialog:modal'))
      return
    for (const [card, { id, inView }] of waiting) {
      if (!inView || !card.isConnected) continue
      agent.seen(id)
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
  document.addEventListener('visibilitychange', look)
  document.addEventListener('close', look, true)
  agent.on('state', look)
  return {
    /** @param {Element} card @param {string} id */
    watch(card, id) {
      waiting.set(card, { id, inView: false })
      observer.observe(card)
    },
    forget,
  }
}
