// Values that a tab keeps across a reload, and ids that no restart repeats.

/** The value that this tab stored under that name, or a new one from `make`, which is stored. */
export function kept(name, make) {
  try {
    const value = JSON.parse(sessionStorage.getItem(name) ?? 'null') ?? make()
    keep(name, value)
    return value
  } catch {
    return make()
  }
}

/** A browser may refuse to store anything. Then a reload loses the value, and nothing else happens. */
export function keep(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value))
  } catch {}
}

/**
 * The providerId of this tab. It is stored, so that outcomes of ringing notifications still arrive after a reload.
 */
export function providerName() {
  return kept('deskbell.providerId', () => `console-${crypto.getRandomValues(new Uint16Array(1))[0].toString(16)}`)
}

export function uuid() {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** `name=value` lines as an object; a line without a name is left out. */
export function lines(text = '') {
  const pairs = text.split('\n').map((line) => [line.split('=', 1)[0].trim(), line.slice(line.indexOf('=') + 1).trim()])
  return Object.fromEntries(pairs.filter(([name]) => name))
}
