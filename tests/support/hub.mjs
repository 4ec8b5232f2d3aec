// A real hub for a test: started on a free port of loopback, with a data directory of its own.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { unwatchHub, watchHub } from './wire.mjs'

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const BINARY = process.env.DESKBELL_BIN ?? join(ROOT, 'target/debug/deskbell')
const START_MS = 20_000

/**
 * Starts a hub.
 * @param {{ toml?: string, flags?: string[], secret?: string }} [options] what its configuration file says, further
 *   flags, and the secret of its tokens: with one it has authentication, and an admin listener
 */
export async function startHub({ toml = '', flags = [], secret = '' } = {}) {
  const home = await mkdtemp(join(tmpdir(), 'deskbell-test-'))
  if (secret) {
    await writeFile(join(home, 'secret'), secret)
    flags = ['--auth-secret-file', join(home, 'secret'), '--admin-listen', '127.0.0.1:0', ...flags]
  }
  const config = join(home, 'deskbell.toml')
  await writeFile(config, toml)
  const hub = new Hub(home, ['--config', config, '--data-dir', join(home, 'data'), ...flags])
  await hub.start('127.0.0.1:0')
  return hub
}

class Hub {
  #home
  #flags
  /** @type {import('node:child_process').ChildProcess | null} */ #process = null
  #log = ''
  #watch = { faults: [], messages: 0 }

  constructor(home, flags) {
    this.#home = home
    this.#flags = flags
  }

  /** Where it listens: `http://127.0.0.1:PORT`. The port stays over a restart. */
  url = ''

  get ws() {
    return `${this.url.replace('http', 'ws')}/ws`
  }

  get home() {
    return this.#home
  }

  async start(listen = new URL(this.url).host) {
    const child = spawn(BINARY, [...this.#flags, '--listen', listen], {
      cwd: this.#home,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#log = (this.#log + text).slice(-20_000)
    })
    const line = await Promise.race([
      firstLine(child.stdout),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the hub ended with ${code}: ${this.#log}`)
      }),
      once(child, 'error').then(([error]) => {
        throw new Error(`cannot run ${BINARY} (DESKBELL_BIN): ${error.message}`)
      }),
      late(START_MS).then(() => {
        throw new Error(`the hub does not say that it listens: ${this.#log}`)
      }),
    ])
    this.url = /listening on (\S+)/.exec(line)?.[1] ?? ''
    if (!this.url) throw new Error(`the hub said: ${line}`)
    this.#watch = await watchHub(this.url)
  }

  /** Where the operator is served. */
  async admin() {
    for (;;) {
      const found = /admin listener on (\S+)/.exec(this.#log)
      if (found) return found[1]
      await new Promise((done) => setTimeout(done, 10))
    }
  }

  /** A token of that person, by the program itself. */
  token(sub, role, ...more) {
    const given = ['token', '--secret-file', join(this.#home, 'secret'), '--sub', sub, '--role', role, ...more]
    return execFileSync(BINARY, given, { encoding: 'utf8' }).trim()
  }

  /** An orderly stop. */
  async stop() {
    await this.#end('SIGTERM')
  }

  /** No time for a word: as in a power cut. */
  async kill() {
    await this.#end('SIGKILL')
  }

  /**
   * Stops it and leaves nothing behind.
   * @throws if anything that it and its clients said to each other is not as the AsyncAPI document has it
   */
  async dispose() {
    await this.#end('SIGKILL')
    unwatchHub(this.url)
    await rm(this.#home, { recursive: true, force: true })
    const { faults } = this.#watch
    if (faults.length)
      throw new Error(`${faults.length} messages are not as /asyncapi.yaml has them\n${faults.slice(0, 10).join('\n')}`)
  }

  /** The number of messages checked against the AsyncAPI document so far. */
  get messages() {
    return this.#watch.messages
  }

  async #end(signal) {
    const child = this.#process
    this.#process = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
}

async function firstLine(stream) {
  for await (const line of createInterface({ input: stream })) return line
  return new Promise(() => {})
}

/** A promise that comes when it is too late, and keeps no process alive. */
export function late(ms) {
  return new Promise((done) => setTimeout(done, ms).unref())
}

/** The detail of the client's next event of that type that `wanted` takes; a failure after `ms`. */
export function event(client, type, wanted = () => true, ms = 15_000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop()
      reject(new Error(`no such "${type}" within ${ms} ms`))
    }, ms)
    const stop = client.on(type, (detail) => {
      if (!wanted(detail)) return
      clearTimeout(timer)
      stop()
      resolve(detail)
    })
  })
}
