// The configurations of docs/deploy/proxies.md, run with the real proxies: nginx, HAProxy, Caddy and Apache.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from '../../client-demo/node_modules/ws/wrapper.mjs'
import { openBrowser, openPage } from '../support/browser.mjs'
import { ROOT, startHub } from '../support/hub.mjs'

const PAGE = readFileSync(join(ROOT, 'docs/deploy/proxies.md'), 'utf8')
const HOST = 'desk.example.com'
/** The page's time-out, and a shorter one for the test. */
const TIMEOUT = { printed: '75', ours: '5' }
const OURS_MS = Number(TIMEOUT.ours) * 1000

/** The block of the page in that language. */
function printed(language) {
  const found = PAGE.match(new RegExp('^```' + language + '\\n(.*?)^```', 'ms'))
  assert.ok(found, `no block ${language}`)
  return found[1]
}

/** `text` with other texts for some of its own, each of which must be there. */
function replaced(text, pairs) {
  for (const [own, other] of pairs) {
    assert.ok(text.includes(own), `${own} is not in:\n${text}`)
    text = text.replaceAll(own, other)
  }
  return text
}

const asRoot = process.getuid() === 0

/** For each proxy: its configuration for the test, from the printed one, and the command that runs it. */
const PROXIES = {
  nginx: ({ home, port, hub, certificate, key }) => {
    const site = replaced(printed('nginx'), [
      ['listen 443', `listen 127.0.0.1:${port}`],
      ['/etc/ssl/desk.example.com.crt', certificate],
      ['/etc/ssl/desk.example.com.key', key],
      ['127.0.0.1:8080', hub],
      [`${TIMEOUT.printed}s`, `${TIMEOUT.ours}s`],
    ])
    const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${home}/${kind};`,
    )
    return {
      text: `${asRoot ? 'user root;' : ''} daemon off; pid ${home}/nginx.pid; error_log stderr; events {}
        http { access_log off; ${folders.join(' ')}\n${site}}`,
      command: (file) => ['nginx', '-e', 'stderr', '-p', home, '-c', file],
    }
  },
  haproxy: ({ port, hub, both }) => ({
    text: replaced(printed('haproxy'), [
      ['bind :443', `bind 127.0.0.1:${port}`],
      ['/etc/ssl/desk.example.com.pem', both],
      ['127.0.0.1:8080', hub],
      [`${TIMEOUT.printed}s`, `${TIMEOUT.ours}s`],
    ]),
    command: (file) => ['haproxy', '-db', '-f', file],
  }),
  caddy: ({ port, hub, certificate, key }) => {
    const site = replaced(printed('caddyfile'), [
      [`${HOST} {`, `${HOST}:${port} {\n\ttls ${certificate} ${key}`],
      ['127.0.0.1:8080', hub],
    ])
    return {
      text: `{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n${site}`,
      command: (file) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
    }
  },
  apache: ({ home, port, hub, certificate, key }) => {
    const site = replaced(printed('apache'), [
      ['<VirtualHost *:443>', `<VirtualHost *:${port}>`],
      ['/etc/ssl/desk.example.com.crt', certificate],
      ['/etc/ssl/desk.example.com.key', key],
      ['127.0.0.1:8080', hub],
      [`Timeout ${TIMEOUT.printed}`, `Timeout ${TIMEOUT.ours}`],
    ])
    const modules = ['mpm_event', 'authz_core', 'socache_shmcb', 'alias', 'proxy', 'proxy_http', 'ssl'].map(
      (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
    )
    return {
      text: [
        ...modules,
        `ServerRoot ${home}`,
        `DefaultRuntimeDir ${home}`,
        `PidFile ${home}/apache.pid`,
        `Listen 127.0.0.1:${port}`,
        `ServerName ${HOST}`,
        `ErrorLog ${home}/error.log`,
        site,
      ].join('\n'),
      command: (file) => ['apache2', '-DFOREGROUND', '-f', file],
    }
  },
}

/** A port that is free at the moment; another program can still take it. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((closed) => server.close(closed))
  return port
}

/** A hub's configuration: how it is to be reached, and how often it pings. */
const hubToml = (port, pingInterval) => `[server]
publicUrl = "https://${HOST}:${port}/bell/"
trustedProxies = ["127.0.0.1"]
pingInterval = "${pingInterval}"
idleTimeout = "2h"
`

/** A hub behind that proxy. */
async function startBehind(name, files) {
  for (;;) {
    const port = await freePort()
    const home = await mkdtemp(join(tmpdir(), `deskbell-${name}-`))
    const hub = await startHub({
      toml: hubToml(port, '500ms'),
      secret: 'a secret of these tests, long enough to be one',
    })
    const { text, command } = PROXIES[name]({ home, port, hub: new URL(hub.url).host, ...files })
    const file = join(home, 'configuration')
    await writeFile(file, `${text}\n`)
    const [program, ...given] = command(file)
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin`, HOME: home, XDG_DATA_HOME: home }
    const child = spawn(program, given, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more) => (log += more))
    const ended = once(child, 'exit').catch(() => {})
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    const dispose = async () => {
      child.kill('SIGTERM')
      await ended
      process.off('exit', kill)
      await hub.dispose()
      await rm(home, { recursive: true, force: true })
    }
    const proxy = { child, port, hub, ca: files.ca, url: `https://${HOST}:${port}/bell/`, dispose }
    if (await answers(proxy)) return proxy
    await dispose()
    // Only if another program took the port in the meantime is there anything to gain from a second attempt.
    assert.match(log, /address already in use|cannot bind|could not bind/i, `${name}: ${log}`)
  }
}

/** Waits until the hub answers through the proxy; false if the proxy has ended instead. */
async function answers(proxy) {
  while (proxy.child.exitCode === null && proxy.child.signalCode === null) {
    const answer = await ask(proxy, 'healthz').catch(() => undefined)
    if (answer?.status === 200) return true
    await new Promise((done) => setTimeout(done, 100))
  }
  return false
}

/** This name leads to this machine, and the client comes from an address that is not the proxy's. */
const way = ({ ca }) => ({
  ca,
  localAddress: '127.0.0.9',
  lookup: (_, { all }, found) =>
    all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4),
})

/** A request through the proxy. */
async function ask(proxy, path, { body, ...options } = {}) {
  const sent = request(new URL(path, proxy.url), { ...way(proxy), agent: false, ...options })
  sent.end(body)
  const [response] = await once(sent, 'response')
  let text = ''
  for await (const part of response.setEncoding('utf8')) text += part
  return { status: response.statusCode, headers: response.headers, text }
}

/** An agent's desk through the proxy, once it is welcomed. */
async function openDesk(proxy, agent, headers = {}) {
  const socket = new WebSocket(new URL('ws', proxy.url.replace('https', 'wss')), {
    ...way(proxy),
    origin: new URL(proxy.url).origin,
    headers,
  })
  const messages = []
  const waiting = new Set()
  socket.on('message', (data) => {
    messages.push(JSON.parse(data))
    for (const look of waiting) look()
  })
  const desk = {
    socket,
    closed: new Promise((done) => socket.once('close', done)),
    send: (message) => socket.send(JSON.stringify(message)),
    /** The next message of that type. */
    next: (type) =>
      new Promise((done, failed) => {
        const look = () => {
          const at = messages.findIndex((message) => message.type === type)
          if (at < 0) return
          waiting.delete(look)
          done(messages.splice(at, 1)[0])
        }
        waiting.add(look)
        socket.once('close', (code) => failed(new Error(`closed with ${code} before a ${type}`)))
        look()
      }),
  }
  desk.closed.catch(() => {})
  await once(socket, 'open')
  desk.send({ type: 'hello', role: 'agent', token: proxy.hub.token(agent, 'agent') })
  await desk.next('welcome')
  return desk
}

/** What a bot's request through the proxy to raise a call gives. */
function ring(proxy, customer) {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${proxy.hub.token('bot', 'provider')}` }
  const body = JSON.stringify({ templateName: 'msdyn_call_incoming', templateParameters: { customerName: customer } })
  return { headers, outcome: ask(proxy, 'api/notify?wait=60s', { method: 'POST', headers, body }) }
}

/** Why this proxy is not tested here, if it is not; in CI nothing may be missing. */
function missing(name) {
  const program = name === 'apache' ? 'apache2' : name
  const found = `${process.env.PATH}:/usr/sbin`.split(':').some((folder) => existsSync(join(folder, program)))
  return !found && process.env.CI !== 'true' && `${program} is missing: tests/run --outside installs it`
}

/** The tests of one proxy. */
function testsOf(name) {
  return () => {
    let folder
    let proxy
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'deskbell-certificate-'))
      const [certificate, key, both] = ['crt', 'key', 'pem'].map((ending) => join(folder, `desk.${ending}`))
      const names = ['-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`]
      const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30']
      execFileSync('openssl', [...made, ...names, '-keyout', key, '-out', certificate], { stdio: 'pipe' })
      const ca = await readFile(certificate)
      await writeFile(both, Buffer.concat([ca, await readFile(key)]))
      proxy = await startBehind(name, { certificate, key, both, ca })
    })
    after(async () => {
      await proxy?.dispose()
      await rm(folder, { recursive: true, force: true })
    })

    test('a call rings at a desk, and its outcome comes back', async () => {
      const desk = await openDesk(proxy, 'ada')
      const { headers, outcome } = ring(proxy, 'Grace')
      const { notificationId } = await desk.next('notification')
      desk.send({ type: 'accept', notificationId })
      const { status, text, headers: answered } = await outcome
      assert.equal(status, 200, text)
      assert.equal(JSON.parse(text).agentId, 'ada')
      assert.equal(answered.location, `/bell/api/notifications/${notificationId}`)
      const again = await ask(proxy, answered.location, { headers })
      assert.equal(JSON.parse(again.text).value.actionName, 'Accept')
      desk.socket.terminate()
    })

    test("the hub sees the client's address, not the proxy's, and not what the client says", async () => {
      const desk = await openDesk(proxy, 'bob', { 'X-Forwarded-For': '192.0.2.1' })
      const answer = await fetch(`${await proxy.hub.admin()}/clients?id=bob`)
      const { clients } = await answer.json()
      assert.deepEqual(
        clients.map(({ address }) => address),
        ['127.0.0.9'],
      )
      desk.socket.terminate()
    })

    test('a page of another origin is refused, and the path without its slash is redirected', async () => {
      const socket = new WebSocket(new URL('ws', proxy.url.replace('https', 'wss')), {
        ...way(proxy),
        origin: 'https://evil.example',
      })
      const [error] = await once(socket, 'error')
      assert.match(error.message, /403/)
      const { status, headers } = await ask(proxy, '/bell')
      assert.ok([301, 308].includes(status), `${status}`)
      assert.equal(new URL(headers.location, proxy.url).pathname, '/bell/')
    })

    test('the pages work in a browser, below the path', async () => {
      const browser = await openBrowser({ led: HOST, args: ['--ignore-certificate-errors'] })
      try {
        const page = await openPage(browser.context, proxy.url)
        page.setDefaultTimeout(60_000)
        const failed = []
        page.on(
          'response',
          (response) => response.status() >= 400 && failed.push(`${response.status()} ${response.url()}`),
        )
        for (const [link, path] of [
          ['Dashboard', 'dashboard'],
          ['Console', 'console'],
          ['Playground', ''],
          ['Desk', 'desk'],
        ]) {
          await page.getByRole('navigation').getByRole('link', { name: link, exact: true }).click()
          await page.waitForURL(`${proxy.url}${path}`)
          await page.getByLabel('Sign-in token').first().waitFor()
        }
        await page.getByLabel('Sign-in token').fill(proxy.hub.token('eve', 'agent'))
        await page.getByRole('button', { name: 'Sign in' }).click()
        await page.getByText(/^connected$/i).waitFor()
        const { outcome } = ring(proxy, 'Katherine')
        await page
          .getByRole('article', { name: /Katherine/ })
          .getByRole('button', { name: 'Accept' })
          .click()
        assert.equal(JSON.parse((await outcome).text).agentId, 'eve')
        const scope = await page.evaluate(async () => (await navigator.serviceWorker.ready).scope)
        assert.equal(scope, `${proxy.url}desk`)
        assert.deepEqual(failed, [])
        assert.deepEqual(page.faults, [])
      } finally {
        await browser.dispose()
      }
    })

    test("pings keep a quiet desk open for longer than the proxy's time-out", async () => {
      const desk = await openDesk(proxy, 'carol')
      const began = performance.now()
      // Pings are all that comes.
      while (performance.now() - began < 2.5 * OURS_MS) await Promise.race([once(desk.socket, 'ping'), desk.closed])
      const { outcome } = ring(proxy, 'Ada')
      const { notificationId } = await desk.next('notification')
      desk.send({ type: 'accept', notificationId })
      assert.equal(JSON.parse((await outcome).text).agentId, 'carol')
      desk.socket.terminate()
    })

    test(
      'without pings, the time-out that is printed closes it',
      { skip: name === 'caddy' && 'it has no time-out' },
      async () => {
        await proxy.hub.stop()
        await writeFile(join(proxy.hub.home, 'deskbell.toml'), hubToml(proxy.port, '1h'))
        await proxy.hub.start()
        await answers(proxy)
        const desk = await openDesk(proxy, 'dan')
        await desk.closed
      },
    )
  }
}

describe('behind a proxy, as printed in docs/deploy/proxies.md', { concurrency: 2 }, () => {
  for (const name of Object.keys(PROXIES)) describe(name, { concurrency: 1, skip: missing(name) }, testsOf(name))
})
