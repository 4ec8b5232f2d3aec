// People sign in to the pages at a certified OpenID provider (npm `oidc-provider`), in a real browser.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import * as jose from 'jose'
import OpenIdProvider from 'oidc-provider'
import { Provider } from '../../client-demo/sdk/deskbell.js'
import { openBrowser, openPage } from '../support/browser.mjs'
import { partsOf, until } from '../support/desk.mjs'
import { startHub } from '../support/hub.mjs'

const SECRET = 'a secret of these tests, long enough to be one'
const opened = []
after(async () => {
  for (const close of opened.reverse()) await close()
})

/** A provider at which one form signs anybody in. `ttl`: the lifetime of access tokens in seconds. */
class People {
  ttl = 600
  /** The grants that its token endpoint got. */ grants = []
  #provider
  #server
  #port = 0

  async listen() {
    this.#server = createServer((request, response) => this.#serve(request, response))
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = this.#server.address().port
    this.url = `http://127.0.0.1:${this.#port}`
  }

  async close() {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  /** Makes it the provider of that hub's pages. */
  async serves(hub) {
    const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true })
    const roles = { ada: ['desk'], wall: ['wall'], bot: ['ring'] }
    this.#provider = new OpenIdProvider(this.url, {
      jwks: { keys: [{ ...(await jose.exportJWK(privateKey)), kid: 'one', alg: 'RS256', use: 'sig' }] },
      cookies: { keys: [SECRET] },
      clients: [
        {
          client_id: 'pages',
          token_endpoint_auth_method: 'none',
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          redirect_uris: ['desk', 'console', 'dashboard'].map((page) => `${hub.url}/bell/${page}`),
        },
      ],
      clientBasedCORS: (_, origin) => origin === hub.url,
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      issueRefreshToken: () => true,
      extraTokenClaims: (_, { accountId }) => ({ permissions: roles[accountId] }),
      interactions: { url: (_, { uid }) => `/login/${uid}` },
      async loadExistingGrant({ oidc }) {
        const grant = new oidc.provider.Grant({ clientId: 'pages', accountId: oidc.session.accountId })
        grant.addOIDCScope('openid')
        grant.addResourceScope('urn:deskbell', 'desk')
        await grant.save()
        return grant
      },
      features: {
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'urn:deskbell',
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: 'desk',
            audience: 'deskbell',
            accessTokenFormat: 'jwt',
            accessTokenTTL: this.ttl,
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    })
    this.#provider.on('grant.success', ({ oidc }) => this.grants.push(oidc.params.grant_type))
  }

  async #serve(request, response) {
    if (!this.#provider) return response.writeHead(503).end()
    if (!request.url.startsWith('/login/')) return this.#provider.callback()(request, response)
    if (request.method === 'GET') {
      response.setHeader('content-type', 'text/html')
      return response.end(
        '<!doctype html><title>Company</title><link rel="icon" href="data:,"><form method="post">' +
          '<label>Name <input name="name"></label><button>Log in</button></form>',
      )
    }
    let body = ''
    for await (const part of request) body += part
    const accountId = new URLSearchParams(body).get('name')
    return this.#provider.interactionFinished(request, response, { login: { accountId } })
  }
}

/** A hub below a path, whose pages sign in at a provider. */
async function company() {
  const people = new People()
  await people.listen()
  opened.push(() => people.close())
  const toml = (url) => `
[server]
publicUrl = "${url}/bell/"
[auth.oidc]
issuer = "${people.url}"
clientId = "pages"
scopes = ["openid", "desk"]
[[auth.issuers]]
issuer = "${people.url}"
audience = "deskbell"
claims = { role = "permissions" }
roles = { agent = ["desk"], observer = ["wall"], provider = ["ring"] }
workspaces = ["default"]
`
  const hub = await startHub({ toml: toml('http://127.0.0.1:1'), secret: SECRET })
  opened.push(() => hub.dispose())
  await people.serves(hub)
  await hub.stop()
  await hub.start()
  const browser = await openBrowser()
  opened.push(() => browser.dispose())
  browser.context.setDefaultTimeout(60_000)
  const provider = new Provider(hub.ws, { token: hub.token('bot', 'provider') })
  opened.push(() => provider.close())
  return { people, hub, browser, provider }
}

async function comeIn(page, name) {
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByLabel('Name').fill(name)
  await page.getByRole('button', { name: 'Log in' }).click()
}

const ring = (provider, customerName) => {
  const to = { agents: ['ada'] }
  const result = provider.notify({ templateName: 'msdyn_call_incoming', templateParameters: { customerName }, to })
  result.catch(() => {})
  return result
}

/** Everything that a tab stores. */
const stored = (page) =>
  page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))

test('from the address of the desk to a ringing card, and over a reload', async () => {
  const { people, hub, browser, provider } = await company()
  const page = await openPage(browser.context, `${hub.url}/bell/desk?language=en&theme=dark`)
  const desk = partsOf(page, 'ada')
  await comeIn(page, 'ada')
  await desk.connected()
  assert.equal(page.url(), `${hub.url}/bell/desk?language=en&theme=dark`, 'the address has neither code nor state')
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
  const result = ring(provider, 'Grace')
  await desk.card(/Grace/).waitFor()
  assert.ok(!/eyJ/.test(await stored(page)), 'no token is stored')

  await page.reload()
  await desk.connected()
  assert.deepEqual(people.grants, ['authorization_code', 'authorization_code'], 'the provider knew who it was')
  await desk.accept(/Grace/).click()
  assert.equal((await result).agentId, 'ada')
  assert.deepEqual(page.faults, [])

  // The same sign-in serves the other pages; what it grants there is another question.
  await page.goto(`${hub.url}/bell/dashboard`)
  await page.getByText(/The hub refused the token|no role|does not grant/).waitFor()
  await page.close()
})

test('the console and the dashboard sign people in, too', async () => {
  const { hub, browser } = await company()
  for (const [path, name] of [
    ['console', 'bot'],
    ['dashboard', 'wall'],
  ]) {
    await browser.context.clearCookies()
    const page = await openPage(browser.context, `${hub.url}/bell/${path}`)
    await comeIn(page, name)
    await page
      .getByText(/^connected$/i)
      .first()
      .waitFor()
    assert.deepEqual(page.faults, [])
    await page.close()
  }
})

test('a shift: the sign-in is renewed silently; a provider that is down is said, and nothing is lost', async () => {
  const { people, hub, browser, provider } = await company()
  people.ttl = 16
  const page = await openPage(browser.context, `${hub.url}/bell/desk`)
  const desk = partsOf(page, 'ada')
  await comeIn(page, 'ada')
  await desk.connected()
  await page.evaluate(() => {
    window.states = []
    document.addEventListener('connection', ({ detail }) => window.states.push(detail.state))
  })
  const renewals = () => people.grants.filter((grant) => grant === 'refresh_token').length
  await until(async () => renewals() >= 3, true, 120_000)
  assert.deepEqual(await page.evaluate(() => window.states), [], 'one connection for the whole shift')

  people.ttl = 60
  const before = renewals()
  await until(async () => renewals() > before, true, 60_000)
  ring(provider, 'Grace')
  await desk.card(/Grace/).waitFor()
  await people.close()
  await page.getByText(/^Your sign-in could not be renewed, and ends at/).waitFor()
  await desk.line.getByText(/your sign-in ends at/).waitFor()
  await desk.card(/Grace/).waitFor()
  // A click must not lose the desk, either.
  await page.getByRole('button', { name: 'Sign in again' }).click()
  await page.getByText(/^You could not be signed in: .* does not answer/).waitFor()
  await people.listen()
  await page.locator('form.token').waitFor({ state: 'detached' })
  await desk.connected()
  await desk.card(/Grace/).waitFor()
  await page.close()
})

test('the end of the session at the provider is said, and a new sign-in brings everything back', async () => {
  const { people, hub, browser, provider } = await company()
  people.ttl = 40
  const page = await openPage(browser.context, `${hub.url}/bell/desk`)
  const desk = partsOf(page, 'ada')
  await comeIn(page, 'ada')
  await desk.connected()
  ring(provider, 'Grace')
  await desk.card(/Grace/).waitFor()
  const other = await browser.context.newPage()
  await other.goto(`${people.url}/session/end`)
  await other.locator('button[value=yes]').click()
  await other.getByText(/Sign-out Success/i).waitFor()
  await other.close()
  await page.getByText(/^Your sign-in could not be renewed, and ends at/).waitFor()
  await desk.card(/Grace/).waitFor()
  await page.reload()
  // Asked silently, the provider knows nobody; the page asks the person and does not turn in circles.
  await comeIn(page, 'ada')
  await desk.card(/Grace/).waitFor()
  await page.close()
})
