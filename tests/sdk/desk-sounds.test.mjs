// Which sound a notification makes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { soundOf } from '../../client-demo/sdk/desk/ringtone.js'

test("the template's sound, else the host page's, else that of the channel", () => {
  for (const [sound, preferred, channel, expected] of [
    ['soft', 'chat', 'phone', 'soft'],
    ['none', 'chat', 'phone', 'none'],
    [undefined, 'chat', 'phone', 'chat'],
    [undefined, 'none', 'phone', 'none'],
    [undefined, '', 'chat', 'chat'],
    [undefined, '', 'sms', 'chat'],
    [undefined, '', 'mail', 'soft'],
    [undefined, '', 'video', 'phone'],
    [undefined, '', 'bell', 'phone'],
    // A sound that this page does not know, or that only the page itself plays.
    ['trumpet', '', 'chat', 'chat'],
    ['constructor', 'toString', 'chat', 'chat'],
    ['breach', '', 'chat', 'chat'],
  ])
    assert.equal(soundOf({ sound }, preferred, channel), expected, `${sound}, ${preferred}, ${channel}`)
})
