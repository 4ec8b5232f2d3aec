// The model of a desk, without a browser: what it shows, what may be pressed, and what it announces.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { ConnectionHealth } from '../../client-demo/sdk/desk/connection-health.js'
import { DeskModel, UNDO_MS } from '../../client-demo/sdk/desk/model.js'
import { shortIds } from '../../client-demo/sdk/desk/short-ids.js'
import { Agent } from '../../client-demo/sdk/deskbell.js'

/** A hub that answers as the test says. The client is the real one; only its socket is not. */
class Hub {
  sent = []
  #socket

  constructor() {
    const hub = this
    this.WebSocket = class {
      constructor() {
        hub.#socket = this
        queueMicrotask(() => this.onopen({}))
      }

      send(text) {
        hub.sent.push(JSON.parse(text))
      }

      close() {}
    }
  }

  says(message) {
    this.#socket.onmessage({ data: JSON.stringify(message) })
  }

  cut() {
    this.#socket.onclose({ code: 1006, reason: '' })
  }

  /** The last message of that type. */
  asked(type) {
    return this.sent.findLast((message) => message.type === type)
  }
}

const OUTCOMES = {
  accepted: { actionName: 'Accept', responseReason: 'Accept' },
  declined: { actionName: 'Reject', responseReason: 'DeclinedByAgent' },
  timedOut: { actionName: 'Timeout', responseReason: 'DisplayTimeout' },
}

describe('the model of a desk', () => {
  let hub
  let client
  let model
  let told
  const notification = (id, more = {}) => ({
    type: 'notification',
    notificationId: id,
    title: `${id} is calling`,
    sessionId: `s-${id}`,
    fields: [],
    buttons: {},
    remainingMs: 60_000,
    ...more,
  })
  const session = (id, more = {}) => ({
    type: 'session',
    sessionId: id,
    notificationId: `of ${id}`,
    title: id,
    startedAt: '2026-01-01T00:00:00Z',
    breached: false,
    unread: 0,
    ...more,
  })
  const welcome = (more = {}) => ({
    type: 'welcome',
    role: 'agent',
    agentId: 'ada',
    workspace: 'default',
    presence: 'available',
    serverTime: new Date().toISOString(),
    notifications: [],
    sessions: [],
    kpi: [],
    ...more,
  })
  const news = () => told.filter(({ type }) => type === 'news').map(({ detail }) => detail.key)
  const faults = () => told.filter(({ type, detail }) => type === 'fault' && detail).map(({ detail }) => detail)
  const recent = () => model.recent.map(({ id, outcome }) => [id, outcome.key])
  /** Lets promises settle; no time passes. */
  const settled = () => new Promise((done) => setImmediate(done))

  beforeEach(async () => {
    hub = new Hub()
    told = []
    client = new Agent('ws://hub/ws', { agentId: 'ada', WebSocket: hub.WebSocket })
    model = new DeskModel(client, new ConnectionHealth(client), ({ title }) => !title.startsWith('forbidden'))
    for (const type of ['news', 'fault', 'ended', 'breach'])
      model.addEventListener(type, ({ detail }) => told.push({ type, detail }))
    await settled()
    hub.says(welcome())
  })
  afterEach(() => {
    mock.timers.reset()
    client.close()
  })

  test('what rings can be answered once; the answer is the only one until it fails', async () => {
    hub.says(notification('grace'))
    assert.equal(model.can('accept', 'grace'), true)
    model.answer('grace', 'accept')
    assert.deepEqual(
      model.cards.map(({ id, state }) => [id, state]),
      [['grace', 'answering']],
    )
    assert.equal(model.can('accept', 'grace'), false)
    model.answer('grace', 'reject')
    assert.equal(hub.asked('reject'), undefined)
    assert.deepEqual(model.unanswered, [])
    hub.says({ type: 'error', id: hub.asked('accept').id, code: 'notFound', detail: 'it is gone' })
    await settled()
    assert.equal(model.can('accept', 'grace'), true)
    assert.deepEqual(faults(), [{ key: 'accept.refused', values: { title: 'grace is calling', detail: 'it is gone' } }])
  })

  test('the host page can stop an accept, and nothing is sent', async () => {
    hub.says(notification('x', { title: 'forbidden' }))
    await model.answer('x', 'accept')
    assert.equal(hub.asked('accept'), undefined)
    assert.equal(model.can('accept', 'x'), true)
    model.answer('x', 'reject', 'not mine')
    assert.equal(hub.asked('reject').reason, 'not mine')
  })

  test('each outcome has its words, by whom it was settled and where', async () => {
    const closed = (id, value, more) => hub.says({ type: 'closed', notificationId: id, value, ...more })
    for (const id of ['here', 'elsewhere', 'bob', 'all', 'late', 'missed', 'new']) hub.says(notification(id))
    model.answer('here', 'accept')
    closed('here', OUTCOMES.accepted, { agentId: 'ada' })
    closed('elsewhere', OUTCOMES.accepted, { agentId: 'ada' })
    closed('bob', OUTCOMES.declined, { agentId: 'bob', agentName: 'Bob B.' })
    closed('all', OUTCOMES.declined)
    closed('late', OUTCOMES.timedOut)
    closed('missed', null, { missed: true })
    closed('new', { actionName: 'Reject', responseReason: 'SomethingNew' })
    assert.deepEqual(recent().reverse(), [
      ['here', 'outcome.takenByYou'],
      ['elsewhere', 'outcome.takenByYouElsewhere'],
      ['bob', 'outcome.declinedBy'],
      ['all', 'outcome.declinedByAll'],
      ['late', 'outcome.nobodyAnswered'],
      ['missed', 'outcome.missed'],
      ['new', 'outcome.other'],
    ])
    const ended = Object.fromEntries(
      told.filter(({ type }) => type === 'ended').map(({ detail }) => [detail.id, detail]),
    )
    assert.equal(ended.bob.outcome.values.agent, 'Bob B.')
    assert.deepEqual(
      Object.values(ended)
        .filter(({ missed }) => missed)
        .map(({ id }) => id),
      ['late', 'missed'],
    )
    assert.deepEqual([ended.here.taken, ended.bob.taken], [true, false])
    assert.deepEqual(model.cards, [])
  })

  test('without a connection a card can still be answered: the client sends that later', () => {
    hub.says(notification('grace'))
    hub.cut()
    assert.equal(client.state, 'waiting')
    assert.equal(model.can('accept', 'grace'), true)
    assert.deepEqual(recent(), [])
  })

  test('a welcome without a notification ends its card', () => {
    hub.says(notification('grace'))
    hub.says(welcome())
    assert.deepEqual(recent(), [['grace', 'outcome.whileAway']])
    // The same notification may be back, as after a hub that was cut off.
    hub.says(welcome({ notifications: [notification('grace')] }))
    assert.equal(model.can('accept', 'grace'), true)
  })

  test('sessions in breach come first, the oldest breach at the top; others are counted apart', () => {
    for (const id of ['a', 'b', 'c', 'd']) hub.says(session(id))
    hub.says({ type: 'kpi', sessionId: 'c', breached: true, since: '2026-01-01T10:00:00Z', details: 'late' })
    hub.says({ type: 'kpi', sessionId: 'b', breached: true, since: '2026-01-01T09:00:00Z' })
    hub.says({ type: 'kpi', sessionId: 'not mine', breached: true, since: '2026-01-01T08:00:00Z' })
    assert.deepEqual(
      model.sessions.map(({ sessionId }) => sessionId),
      ['b', 'c', 'a', 'd'],
    )
    assert.deepEqual(
      model.breachesElsewhere.map(({ sessionId }) => sessionId),
      ['not mine'],
    )
    assert.deepEqual(
      told.filter(({ type }) => type === 'breach').map(({ detail }) => detail),
      ['c', 'b'],
    )
    assert.deepEqual(news().slice(-2), ['news.breachWith', 'news.breach'])
    hub.says({ type: 'kpi', sessionId: 'b', breached: false })
    assert.deepEqual(
      model.sessions.map(({ sessionId }) => sessionId),
      ['c', 'a', 'b', 'd'],
    )
  })

  test('the end of a session can be taken back until it is sent', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    hub.says(session('a'))
    model.endSession('a')
    assert.equal(model.sessions[0].state, 'ending')
    assert.deepEqual([model.can('end', 'a'), model.can('undo', 'a')], [false, true])
    model.undoEnd('a')
    mock.timers.tick(UNDO_MS)
    assert.equal(hub.asked('endSession'), undefined)
    assert.equal(model.sessions[0].state, 'open')

    model.endSession('a')
    mock.timers.tick(UNDO_MS)
    assert.equal(hub.asked('endSession').sessionId, 'a')
    assert.equal(model.can('undo', 'a'), false)
    hub.says({ type: 'error', id: hub.asked('endSession').id, code: 'unavailable', detail: 'no', retryAfterMs: 99_999 })
    await settled()
    assert.equal(model.sessions[0].state, 'open')
    assert.equal(faults().length, 1)

    model.endSession('a')
    model.endAllNow()
    assert.equal(hub.sent.filter(({ type }) => type === 'endSession').length, 2)
    assert.deepEqual(
      news()
        .filter((key) => key !== 'news.session')
        .slice(0, 3),
      ['news.ending', 'news.kept', 'news.ending'],
    )
  })

  test('a session that ends elsewhere takes its undo along', () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    hub.says(session('a'))
    model.endSession('a')
    hub.says({ type: 'sessionEnded', sessionId: 'a' })
    mock.timers.tick(UNDO_MS)
    assert.equal(hub.asked('endSession'), undefined)
    assert.equal(model.can('undo', 'a'), false)
  })

  test('a presence shows at once, and the last choice stands', async () => {
    model.setPresence('away')
    assert.equal(model.presence, 'away')
    model.setPresence('available')
    const [first, second] = hub.sent.filter(({ type }) => type === 'presence')
    hub.says({ type: 'presence', id: first.id, presence: 'away' })
    await settled()
    assert.equal(model.presence, 'available')
    hub.says({ type: 'presence', id: second.id, presence: 'available' })
    await settled()
    assert.equal(model.presence, 'available')
  })

  test('closed for good, nothing may be pressed', () => {
    hub.says(notification('grace'))
    client.close()
    assert.deepEqual([model.can('accept', 'grace'), model.can('presence')], [false, false])
  })
})

describe('short ids', () => {
  test('a short id stays; of long ones the end is shown; those that end alike differ in what comes before', () => {
    const system = (n) => `s-${n}-with-a-rather-long-session-identifier-from-another-system`
    const ids = ['conv-42', '0192f0c4-7e3a-7b21-8c55-0123456789ab', system(1), system(2)]
    assert.deepEqual([...shortIds(ids).values()], ['conv-42', '…456789ab', 's-1…', 's-2…'])
  })

  test('whatever the ids are, no two look the same', () => {
    const ids = [
      'x'.repeat(30),
      'x'.repeat(31),
      'x'.repeat(40),
      `${'a'.repeat(20)}1${'b'.repeat(20)}`,
      'x',
      'b'.repeat(20),
    ]
    for (const n of '12') for (const end of ['11111111', '22222222']) ids.push(`${'d'.repeat(20)}${n}efghijk${end}`)
    ids.push(`${'a'.repeat(20)}2${'b'.repeat(20)}`, `c${'a'.repeat(20)}2${'b'.repeat(20)}`)
    const shown = shortIds(ids)
    assert.equal(new Set(shown.values()).size, ids.length)
  })
})
