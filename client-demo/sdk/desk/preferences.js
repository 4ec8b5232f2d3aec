// The agent's choices for this browser: the same in all tabs, and after a reload.

const KEY = 'deskbell.desk'
const DEFAULTS = { volume: 0.6, muted: false, letters: true, openCustomer: false }

/** @type {Set<() => void>} */
const listeners = new Set()
let current = read()
globalThis.addEventListener?.('storage', ({ key }) => {
  if (key !== KEY && key !== null) return
  current = read()
  tell()
})

/** @returns {Readonly<typeof DEFAULTS>} */
export function preferences() {
  return current
}

/** @param {Partial<typeof DEFAULTS>} what */
export function prefer(what) {
  current = checked({ ...current, ...what })
  try {
    localStorage.setItem(KEY, JSON.stringify(current))
  } catch {
    // The browser may refuse to store anything; then the choice holds for this page.
  }
  tell()
}

/**
 * @param {() => void} listener called after every change, also one that another tab made
 * @param {AbortSignal} signal ends it
 */
export function onPreferences(listener, signal) {
  listeners.add(listener)
  signal.addEventListener('abort', () => listeners.delete(listener))
}

function tell() {
  for (const listener of listeners) listener()
}

function read() {
  try {
    return checked(JSON.parse(localStorage.getItem(KEY) ?? '{}'))
  } catch {
    return checked({})
  }
}

/** Anything may be in the storage: only values of the right type are used. */
function checked(found) {
  const kept = { ...DEFAULTS }
  for (const name of Object.keys(DEFAULTS)) if (typeof found?.[name] === typeof DEFAULTS[name]) kept[name] = found[name]
  kept.volume = Math.min(1, Math.max(0, kept.volume || 0))
  return kept
}
