// Sign-in at the OpenID provider that the hub names ([auth.oidc]): authorization code flow with PKCE, as a public
// client. Tokens stay in this page's memory. The tab stores only what a redirect needs, and that somebody was signed
// in, so that a reload can ask the provider again. docs/identity.md has the settings, docs/embedding.md the use.

/** The tab's note. Never a token. */
const NOTE = 'deskbell.signIn'
const ANSWER_MS = 10_000
/** A renewal is due this long before the end, or at 55 % of the lifetime, if that is later: the SDK asks then. */
const RENEW_MS = 13 * 60_000
const RENEW_AT = 0.45
/** The clocks of provider and page may differ by this. */
const CLOCK_MS = 5 * 60_000
/** The provider wants the person: nobody is signed in there, or has to agree first. Not a failure. */
const PERSON_NEEDED = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']

/**
 * @typedef {object} Settings
 * @property {string} issuer
 * @property {string} clientId
 * @property {string} scope
 * @property {'access' | 'id'} token
 */

/** The provider refused; asking again does not help. */
class Refused extends Error {}

export class SignIn extends EventTarget {
  /** @type {Settings} */ #settings
  /** @type {any} the provider's metadata */ #provider
  #token = ''
  #subject = ''
  #refreshToken = ''
  #lifeMs = 0
  /** @type {Promise<string> | undefined} */ #renewal
  /** When the token ends, in milliseconds since 1970 by this machine's clock; 0 without one. */
  endsAt = 0
  /** Why nobody is signed in, or why the sign-in could not be renewed. */
  fault = ''
  /** Whether only the person can do something about the fault. */
  isOver = false

  /** @param {Settings} settings */
  constructor(settings) {
    super()
    this.#settings = settings
  }

  /**
   * Finds out where people sign in, completes a sign-in that brought the browser back here, and repeats one after a
   * reload.
   * @param {string | URL} [hub] the address of the hub; default: the hub that served this module
   * @returns {Promise<SignIn | undefined>} nothing if this hub has no sign-in, or if the page is in a frame. The
   *   promise stays open while the browser leaves for the provider
   */
  static async open(hub = new URL('../', import.meta.url)) {
    if (window.top !== window) return undefined
    const settings = await json(new URL('sign-in.json', hub))
    if (!settings.issuer) return undefined
    const signIn = new SignIn(settings)
    const note = readNote()
    if (!note) return signIn
    try {
      const answer = new URL(location.href).searchParams
      if (note.state && answer.get('state') === note.state) await signIn.#return(answer, note)
      else if (note.wasIn) await signIn.begin({ prompt: 'none' })
    } catch (error) {
      signIn.#failed(error)
    }
    return signIn
  }

  /** The address of this page; while a sign-in brings the browser back, the one that the page had before. */
  static get address() {
    const note = readNote()
    const isBack = note?.state && new URL(location.href).searchParams.get('state') === note.state
    return new URL(isBack ? samePage(note.back) : location.href)
  }

  /** Whether this page has a token. It may have ended. */
  get isIn() {
    return Boolean(this.#token)
  }

  /**
   * Leaves for the provider, which sends the browser back to this page.
   * @param {{ prompt?: string }} [options] `none`: only if the person is signed in there already
   * @throws {Error} if the provider does not answer; the page stays
   */
  async begin({ prompt } = {}) {
    // A browser that leaves for a provider that is down would lose the desk.
    this.#provider = undefined
    const { authorization_endpoint: endpoint } = await this.#discover()
    const [state, nonce, verifier] = [random(), random(), random()]
    const back = location.pathname + location.search + location.hash
    writeNote({ state, nonce, verifier, back })
    const url = new URL(endpoint)
    const asked = {
      response_type: 'code',
      client_id: this.#settings.clientId,
      redirect_uri: redirectUri(),
      scope: this.#settings.scope,
      state,
      nonce,
      code_challenge: await challenge(verifier),
      code_challenge_method: 'S256',
      ...(prompt ? { prompt } : {}),
    }
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
    location.assign(url)
    // The page goes away: whoever waits for the answer shall do nothing else.
    await new Promise(() => {})
  }

  /** The token for the hub, renewed in time: for the option `token` of the SDK and of the desk. */
  token = async () => {
    const leftMs = this.endsAt - Date.now()
    if (leftMs > Math.min(RENEW_MS, this.#lifeMs * RENEW_AT)) return this.#token
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = undefined))
    return this.#renewal
  }

  async #renew() {
    try {
      if (!this.#refreshToken) throw new Refused('the provider gave no refresh token')
      await this.#exchange({ grant_type: 'refresh_token', refresh_token: this.#refreshToken })
      if (this.fault) {
        this.fault = ''
        this.dispatchEvent(new Event('change'))
      }
      return this.#token
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  #failed(error) {
    this.fault = error.message
    this.isOver = error instanceof Refused
    this.dispatchEvent(new Event('change'))
  }

  /** The browser came back from the provider. */
  async #return(answer, note) {
    forgetNote()
    history.replaceState(history.state, '', samePage(note.back))
    const error = answer.get('error')
    if (PERSON_NEEDED.includes(error)) return
    if (error) throw new Refused(answer.get('error_description') ?? error)
    // RFC 9207: the answer of another provider, mixed in.
    const from = answer.get('iss')
    if (from !== null && from !== this.#settings.issuer) throw new Refused(`the answer is of another issuer: ${from}`)
    await this.#exchange(
      {
        grant_type: 'authorization_code',
        code: answer.get('code') ?? '',
        redirect_uri: redirectUri(),
        code_verifier: note.verifier,
      },
      note.nonce,
    )
    writeNote({ wasIn: true })
  }

  /** @param {Record<string, string>} grant @param {string} [nonce] of a sign-in */
  async #exchange(grant, nonce) {
    const { issuer, clientId, token } = this.#settings
    const { token_endpoint: endpoint } = await this.#discover()
    const body = new URLSearchParams({ client_id: clientId, ...grant })
    const answer = await json(endpoint, { method: 'POST', body })
    if (answer.error) throw new Refused(answer.error_description ?? answer.error)
    if (nonce || answer.id_token) {
      // It comes from the provider itself, so its signature need not be checked (OpenID Connect Core, 3.1.3.7).
      const claims = claimsOf(answer.id_token)
      const isRight =
        claims.iss === issuer &&
        [claims.aud].flat().includes(clientId) &&
        claims.exp * 1_000 > Date.now() - CLOCK_MS &&
        (nonce ? claims.nonce === nonce : claims.sub === this.#subject)
      if (!isRight) throw new Refused('the id token is not for this sign-in')
      this.#subject = claims.sub
    }
    const given = token === 'id' ? answer.id_token : answer.access_token
    if (!given) throw new Refused(`the provider gave no ${token} token`)
    const { exp, iat } = claimsOf(given)
    this.#lifeMs = (exp - iat || answer.expires_in || 0) * 1_000
    this.endsAt = Date.now() + this.#lifeMs
    this.#token = given
    this.#refreshToken = answer.refresh_token ?? this.#refreshToken
  }

  async #discover() {
    const { issuer } = this.#settings
    if (this.#provider) return this.#provider
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const found = await json(url, { cache: 'no-store' })
    if (found.issuer !== issuer) throw new Refused('the provider is another issuer')
    return (this.#provider = found)
  }
}

/** The provider sends the browser back here. Without a query, one entry at the provider is enough. */
function redirectUri() {
  return location.origin + location.pathname
}

/** The path of that address if it is of this page, or else this page. */
function samePage(back) {
  const url = new URL(String(back), location.href)
  return url.origin === location.origin && url.pathname === location.pathname ? url : redirectUri()
}

async function json(url, init = {}) {
  let answer
  try {
    const signal = AbortSignal.timeout(ANSWER_MS)
    answer = await fetch(url, {
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      redirect: 'error',
      signal,
      ...init,
    })
    const found = await answer.json()
    if (found && typeof found === 'object' && (answer.ok || found.error)) return found
  } catch (error) {
    throw new Error(`${new URL(url).origin} does not answer: ${error.message}`)
  }
  throw new Error(`${new URL(url).origin} answers with ${answer.status}`)
}

/** @returns {any} the claims of a JWT; none of anything else */
function claimsOf(token) {
  try {
    const text = atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))))
  } catch {
    return {}
  }
}

function readNote() {
  try {
    return JSON.parse(sessionStorage.getItem(NOTE) ?? 'null')
  } catch {
    return null
  }
}

/** @throws if the browser stores nothing: then nobody could come back. */
function writeNote(note) {
  sessionStorage.setItem(NOTE, JSON.stringify(note))
}

function forgetNote() {
  sessionStorage.removeItem(NOTE)
}

/** 256 random bits. */
function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)))
}

/** PKCE, S256 (RFC 7636). */
async function challenge(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))))
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=/g, '')
}
