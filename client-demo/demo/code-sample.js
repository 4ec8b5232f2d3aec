// A provider's call as code: with the SDK, and as a message on the wire. Independent of the page.

/**
 * The message, as it is sent.
 * @param {Record<string, any>} message
 */
export function asWire(message) {
  return JSON.stringify(message, null, 2)
}

/**
 * A program that makes the call.
 * @param {Record<string, any>} message what goes over the wire; its id is left to the SDK
 * @param {{ url: string, providerId?: string, token?: boolean }} client who calls; with a token, that says who it is
 */
export function asJavaScript({ type, id: _, ...message }, { url, providerId, token }) {
  const who = token ? "token: '…'" : `providerId: ${literal(providerId)}`
  return [
    `import { Provider } from ${literal(new URL('sdk/deskbell.js', url.replace('ws', 'http')).href)}`,
    '',
    `const provider = new Provider(${literal(url)}, {`,
    `  ${who},`,
    '})',
    call(type, message),
  ].join('\n')
}

function call(type, message) {
  if (type === 'notify') return `const { value, agentId, reach } = await provider.notify(${literal(message)})`
  const { cancellationToken, sessionId, shouldReset, details, count } = message
  const given = {
    cancel: [cancellationToken],
    kpi: [sessionId, shouldReset ?? false, details],
    activity: [sessionId, count],
    endSession: [sessionId],
  }[type]
  return `await provider.${type}(${given
    .filter((one) => one !== undefined)
    .map((one) => literal(one))
    .join(', ')})`
}

/** A value as JavaScript source. A short one takes one line. */
export function literal(value, indent = '') {
  if (typeof value === 'string') return quoted(value)
  if (value === null || typeof value !== 'object') return String(value)
  const inner = `${indent}  `
  const parts = Array.isArray(value)
    ? value.map((one) => literal(one, inner))
    : Object.entries(value)
        .filter(([, one]) => one !== undefined)
        .map(([key, one]) => `${name(key)}: ${literal(one, inner)}`)
  const [open, close, space] = Array.isArray(value) ? ['[', ']', ''] : ['{', '}', ' ']
  if (!parts.length) return open + close
  const line = `${open}${space}${parts.join(', ')}${space}${close}`
  const nested = !Array.isArray(value) && Object.values(value).some((one) => one !== null && typeof one === 'object')
  if (line.length <= 60 && !nested && !line.includes('\n')) return line
  const rows = parts.map((part) => `${inner}${part},\n`).join('')
  return `${open}\n${rows}${indent}${close}`
}

function name(key) {
  // Written as a plain key, `__proto__` would set the prototype.
  if (key === '__proto__') return "['__proto__']"
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key)
}

function quoted(text) {
  return `'${JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'")}'`
}
