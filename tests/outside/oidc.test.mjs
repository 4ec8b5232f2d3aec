// Tokens of a certified OpenID provider (npm `oidc-provider`): discovery, rotation of keys, outages and lies.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import * as jose from 'jose'
import Provider from 'oidc-provider'
import { startHub } from '../support/hub.mjs'

const opened = []
after(async () => {
  for (const close of opened.reverse()) await close()
})

/** A private key with a name, as JWK. */
async function newKey(kid, alg = 'RS256') {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  return { ...(await jose.exportJWK(privateKey)), kid, alg, use: 'sig' }
}

/** Serves `handler` on a port of loopback: a free one, or the given one. */
async function serve(handler, port = 0) {
  const server = createServer(handler)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = () =>
    new Promise((closed) => {
      server.closeAllConnections()
      server.close(closed)
    })
  opened.push(close)
  return { port: server.address().port, url: `http://127.0.0.1:${server.address().port}`, close, server }
}

/** A free port, for a provider that is not there yet. */
async function freePort() {
  const { port, close } = await serve(() => {})
  await close()
  return port
}

/** A provider whose clients get access tokens with the roles in `clients`. */
async function startProvider({ keys, clients, port = 0, alg = 'RS256' }) {
  // The provider has to know the address at which it is served before it exists.
  const served = {}
  const place = await serve((request, response) => served.provider.callback()(request, response), port)
  const provider = new Provider(place.url, {
    jwks: { keys },
    clients: Object.keys(clients).map((client_id) => ({
      client_id,
      client_secret: 'a secret of these tests',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: alg,
    })),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:deskbell',
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'ring',
          audience: 'deskbell',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg } },
        }),
      },
    },
    extraTokenClaims: (_, token) => clients[token.clientId],
  })
  served.provider = provider
  return {
    ...place,
    /** An access token of that client. */
    async token(client) {
      const body = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: client,
        client_secret: 'a secret of these tests',
        scope: 'ring',
      })
      const response = await fetch(`${place.url}/token`, { method: 'POST', body })
      const answer = await response.json()
      assert.ok(answer.access_token, JSON.stringify(answer))
      return answer.access_token
    },
  }
}

const CLIENTS = { bot: { permissions: { deskbell: ['ring'] } }, ada: { permissions: { deskbell: ['desk', 'other'] } } }

const issuerToml = (issuer, more = '') => `
[[auth.issuers]]
issuer = "${issuer}"
audience = "deskbell"
claims = { role = "permissions.deskbell" }
roles = { provider = ["ring"], agent = ["desk"] }
workspaces = ["default"]
${more}
`

async function hubFor(toml, flags = []) {
  const hub = await startHub({ toml, flags })
  opened.push(() => hub.dispose())
  return hub
}

/** What a hello with this token leads to: the welcome, or the error and close code. */
async function join(hub, token, more = {}) {
  const socket = new WebSocket(hub.ws)
  opened.push(() => socket.close())
  const messages = []
  const result = new Promise((done) => {
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data)
      messages.push(message)
      if (message.type === 'welcome') done({ welcome: message, socket, messages })
    })
    socket.addEventListener('close', ({ code }) => done({ code, error: messages.find(({ type }) => type === 'error') }))
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'hello', token, ...more }))
  return result
}

async function ready(hub) {
  const response = await fetch(`${hub.url}/readyz`)
  return { status: response.status, text: await response.text() }
}

async function until(what, check) {
  for (;;) {
    const result = await check()
    if (result) return result
    await new Promise((done) => setTimeout(done, 100))
    void what
  }
}

test('a bot and a desk with tokens of a provider that the hub discovers', async () => {
  const provider = await startProvider({ keys: [await newKey('one'), await newKey('two', 'ES256')], clients: CLIENTS })
  const hub = await hubFor(issuerToml(provider.url))
  const ada = await join(hub, await provider.token('ada'))
  assert.equal(ada.welcome?.agentId, 'ada', 'the token decides the role')
  ada.socket.addEventListener('message', ({ data }) => {
    const { type, notificationId } = JSON.parse(data)
    if (type === 'notification') ada.socket.send(JSON.stringify({ type: 'accept', notificationId }))
  })
  const body = JSON.stringify({ templateName: 'msdyn_call_incoming', templateParameters: { customerName: 'Grace' } })
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${await provider.token('bot')}` }
  const response = await fetch(`${hub.url}/api/notify?wait=30s`, { method: 'POST', headers, body })
  const outcome = await response.json()
  assert.equal(outcome.value?.actionName, 'Accept', JSON.stringify(outcome))
  const wrong = await fetch(`${hub.url}/api/notify`, {
    method: 'POST',
    body,
    headers: { ...headers, Authorization: `Bearer ${await provider.token('ada')}` },
  })
  assert.equal(wrong.status, 403, 'an agent is not a provider')
})

test('a provider changes its keys while clients connect', async () => {
  const first = await startProvider({ keys: [await newKey('first')], clients: CLIENTS })
  const hub = await hubFor(issuerToml(first.url))
  const old = await first.token('ada')
  assert.ok((await join(hub, old)).welcome)
  await first.close()
  const second = await startProvider({ keys: [await newKey('second')], clients: CLIENTS, port: first.port })
  const fresh = await second.token('ada')
  const joined = await Promise.all([1, 2, 3, 4].map(() => join(hub, fresh)))
  for (const { welcome, error } of joined) assert.ok(welcome, error?.detail)
  const { code, error } = await join(hub, old)
  assert.deepEqual([code, error.code], [4401, 'badToken'])
  assert.match(error.detail, /kid/)
  // The name of the key can stay the same, too.
  await second.close()
  const third = await startProvider({ keys: [await newKey('second')], clients: CLIENTS, port: first.port })
  const refused = await join(hub, await third.token('ada'))
  assert.match(refused.error.detail, /signature/, 'until the keys are fetched again')
})

test('a provider that is down at the start, comes back, and is down at a restart', async () => {
  const port = await freePort()
  const hub = await hubFor(issuerToml(`http://127.0.0.1:${port}`))
  const { status, text } = await ready(hub)
  assert.equal(status, 503)
  assert.match(text, /keys of an issuer/)
  const key = await newKey('one')
  const provider = await startProvider({ keys: [key], clients: CLIENTS, port })
  const token = await provider.token('ada')
  await until('the hub is ready', async () => (await ready(hub)).status === 200)
  assert.ok((await join(hub, token)).welcome)
  await provider.close()
  await hub.stop()
  await hub.start()
  assert.equal((await ready(hub)).status, 200, 'with the stored keys')
  assert.ok((await join(hub, token)).welcome)
})

test('a provider that hangs, lies or sends too much', async () => {
  const other = await startProvider({ keys: [await newKey('other')], clients: CLIENTS })
  const json = (response, value) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value))
  const cases = {
    hangs: () => () => {},
    'names another issuer': () => (_, response) => json(response, { issuer: other.url, jwks_uri: `${other.url}/jwks` }),
    'sends 10 MiB': () => (_, response) => response.end(Buffer.alloc(10 << 20, ' ')),
    'redirects to another host': () => (request, response) =>
      response.writeHead(302, { Location: `${other.url}${request.url}` }).end(),
    'redirects without end': () => (request, response) => response.writeHead(302, { Location: request.url }).end(),
    'has only symmetric keys': (base) => (request, response) =>
      json(
        response,
        request.url.startsWith('/jwks')
          ? { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'other' }] }
          : { issuer: base(), jwks_uri: `${base()}/jwks` },
      ),
  }
  await Promise.all(
    Object.entries(cases).map(async ([name, handler]) => {
      let base = ''
      const liar = await serve((request, response) => handler(() => base)(request, response))
      base = liar.url
      const hub = await hubFor(issuerToml(liar.url))
      assert.equal((await ready(hub)).status, 503, name)
      // A token of the other provider is a token of another issuer, whatever the liar says.
      const { code, error } = await join(hub, await other.token('ada'))
      assert.equal(code, 4401, name)
      assert.match(error.detail, /iss/, name)
      assert.equal((await fetch(`${hub.url}/healthz`)).status, 200, `${name}: the hub is alive`)
    }),
  )
})

test('two issuers cannot grant the roles, workspaces or subjects of each other', async () => {
  const people = await startProvider({
    keys: [await newKey('people')],
    clients: {
      ada: { permissions: { deskbell: ['desk', 'ring'] } },
      'bots:bot': { permissions: { deskbell: ['desk'] } },
      eve: { permissions: { deskbell: ['desk'] }, workspace: 'lab' },
    },
  })
  const bots = await startProvider({
    keys: [await newKey('bots')],
    clients: { bot: { permissions: { deskbell: ['ring'] } }, ada: { permissions: { deskbell: ['desk'] } } },
  })
  const hub = await hubFor(
    `
[[auth.issuers]]
issuer = "${people.url}"
audience = "deskbell"
claims = { role = "permissions.deskbell" }
roles = { agent = ["desk"] }
workspaces = ["default"]
[[auth.issuers]]
issuer = "${bots.url}"
audience = "deskbell"
claims = { role = "permissions.deskbell" }
roles = { provider = ["ring"], agent = ["bot-desk"] }
workspaces = ["default"]
subjectPrefix = "bots:"
`,
    ['--admin-listen', '127.0.0.1:0'],
  )
  assert.equal((await join(hub, await people.token('ada'))).welcome.agentId, 'ada')
  const wrongRole = await join(hub, await people.token('ada'), { role: 'provider' })
  assert.equal(wrongRole.code, 4403, 'a role of the other issuer')
  assert.equal((await join(hub, await bots.token('bot'))).welcome.providerId, 'bots:bot')
  assert.equal((await join(hub, await bots.token('ada'))).code, 4403, 'no role of its own')
  const workspace = await join(hub, await people.token('eve'))
  assert.match(workspace.error.detail, /workspace/)
  const subject = await join(hub, await people.token('bots:bot'))
  assert.match(subject.error.detail, /another issuer/)
  const revoke = async (request) => {
    const headers = { 'Content-Type': 'application/json' }
    const url = `${await hub.admin()}/revoke`
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(request) })).status
  }
  assert.equal(await revoke({ subject: 'bots:bot' }), 400, 'both issuers could have issued it')
  assert.equal(await revoke({ subject: 'bots:bot', issuer: 'https://other.example' }), 400)
  const token = await bots.token('bot')
  assert.equal(await revoke({ subject: 'bots:bot', issuer: people.url }), 200)
  assert.equal((await join(hub, token)).welcome.providerId, 'bots:bot', 'it is the token of the other issuer')
  assert.equal(await revoke({ subject: 'bots:bot', issuer: bots.url }), 200)
  assert.match((await join(hub, token)).error.detail, /revoked/)
})
