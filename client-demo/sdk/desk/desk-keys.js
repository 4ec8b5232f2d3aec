// The keys of a desk, and their actions.

export { listenForKeys } from './shortcuts.js'

/** @param {import('./desk-view.js').DeskView} desk @returns {import('./shortcuts.js').Key[]} */
export function deskKeys(desk) {
  const step = (by) => (desk.sessions.move(by) ? undefined : desk.cards.move(by))
  const toCards = () => desk.cards.focus(desk.cards.selected) || desk.incomingTitle.focus()
  return [
    { keys: ['a'], shown: ['A'], does: 'keys.accept', act: () => desk.cards.answer('accept') },
    { keys: ['r'], shown: ['R'], does: 'keys.reject', act: () => desk.cards.answer('reject') },
    { keys: ['e'], shown: ['E'], does: 'keys.reason', types: true, act: () => desk.cards.giveReason() },
    { keys: ['j', 'arrowdown'], shown: ['J', 'key.or', '↓'], does: 'keys.next', act: () => step(1) },
    { keys: ['k', 'arrowup'], shown: ['K', 'key.or', '↑'], does: 'keys.previous', act: () => step(-1) },
    {
      keys: [...'123456789'],
      shown: ['1', 'key.to', '9'],
      does: 'keys.pick',
      act: (key) => desk.cards.pick(Number(key) - 1),
    },
    { keys: ['c'], shown: ['C'], does: 'keys.cards', act: toCards },
    { keys: ['s'], shown: ['S'], does: 'keys.sessions', act: () => desk.sessions.focus(0) },
    { keys: ['x'], shown: ['X'], does: 'keys.end', act: () => desk.sessions.endFocused() },
    { keys: ['p'], shown: ['P'], does: 'keys.presence', act: () => desk.togglePresence() },
    ...(desk.hasSound ? [{ keys: ['m'], shown: ['M'], does: 'keys.mute', act: () => desk.toggleMute() }] : []),
  ]
}
