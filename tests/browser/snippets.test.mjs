// Code written for four methods of the Channel Integration Framework runs unchanged in a page that called `install`.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openBrowser, openPlayground } from '../support/browser.mjs'
import { ROOT, startHub } from '../support/hub.mjs'

/** The reference pages themselves, where they are at hand. */
const SEEDS = process.env.DESKBELL_SEEDS ?? join(ROOT, '../shared/seeds')

/** The project's own, in the same forms: they are always run. */
const OWN = {
  'notifyEvent with a token inside input': `
    var token = "own-" + Math.random();
    var input = {
      templateName: "msdyn_chat_incoming_unauthenticated", templateParameters: { }, cancellationToken: token
    }
    Microsoft.CIFramework.notifyEvent(input).then(
      function success(result) { console.log(result); },
      function (error) { console.log(error.message); }
    );`,
  'notifyEvent with a token as third argument': `
    var input = { templateName: "msdyn_call_incoming", templateParameters: { customerName: "Grace" } }
    Microsoft.CIFramework.notifyEvent(input, undefined, "own-third").then(
      function success(result) { console.log(result); },
      function (error) { console.log(error.message); }
    );`,
  notifyKpiBreach: `
    Microsoft.CIFramework.notifyKpiBreach(sessionId, shouldReset, details).then(
      function success(result) { console.log(result); },
      function (error) { console.log(error.message); }
    );`,
}

/** The code of a page's "Example" section, character for character. */
function examples() {
  if (!existsSync(SEEDS)) return {}
  return Object.fromEntries(
    readdirSync(SEEDS).flatMap((name) => {
      const text = readFileSync(join(SEEDS, name), 'utf8')
      const title = /^title: "?(\w+)/m.exec(text)?.[1] ?? name
      const code = /## Example\s+```javascript\n([\s\S]*?)```/.exec(text)?.[1]
      return code ? [[`the example of the page on ${title}`, code]] : []
    }),
  )
}

describe('snippets, verbatim', () => {
  let hub
  let browser
  let page
  before(async () => {
    hub = await startHub()
    browser = await openBrowser()
    page = await openPlayground(browser.context, hub)
    await page.evaluate(async () => {
      const { install } = await import('/sdk/deskbell.js')
      delete window.Microsoft
      await install('/ws', { providerId: 'snippets' })
    })
  })
  after(async () => {
    await browser?.dispose()
    await hub?.dispose()
  })

  const all = { ...OWN, ...examples() }
  for (const [name, code] of Object.entries(all)) {
    test(name, async () => {
      const logged = page.waitForEvent('console')
      // A function of its own around it, as the page's variables are not the snippet's; inside, nothing is changed.
      await page.evaluate(() => {
        const said = console.log
        console.log = (first) => {
          console.log = said
          window.logged = first
          said('logged')
        }
        // Whatever its name says: `true` marks the breach (docs/sdk.md).
        Object.assign(window, {
          sessionId: 'conv-1',
          shouldReset: true,
          details: 'first response > 60 s',
        })
      })
      // As in the browser's own console. The function keeps the snippets' variables apart; inside, nothing is changed.
      await page.evaluate(`(function () {\n${code}\n})()`)
      if (code.includes('notifyEvent')) await page.ada.ringing.getByRole('button', { name: 'Accept' }).click()
      await logged
      const result = await page.evaluate(() => window.logged)
      if (code.includes('notifyEvent'))
        assert.deepEqual(result.value, {
          actionName: 'Accept',
          responseReason: 'Accept',
        })
      else assert.equal(result.value, null)
      if (code.includes('notifyKpiBreach'))
        await page.ada.elsewhere.getByText('Session conv-1: first response > 60 s').waitFor({ state: 'attached' })
    })
  }

  test(
    "the reference pages' examples are among them, where the pages are",
    { skip: !existsSync(SEEDS) && 'the pages are not here' },
    () => {
      assert.equal(Object.keys(examples()).length, 3)
    },
  )

  test('cancelEvent, and the error callback', async () => {
    const [cancelled, first, error] = await page.evaluate(async () => {
      const call = Microsoft.CIFramework.notifyEvent({
        templateName: 'msdyn_call_incoming',
        cancellationToken: 'to-cancel',
      })
      const reply = await Microsoft.CIFramework.cancelEvent('to-cancel')
      const refused = await new Promise((done) => {
        Microsoft.CIFramework.notifyEvent({ templateName: 'none' }).then(
          function success() {
            done(null)
          },
          function (error) {
            done(error)
          },
        )
      })
      return [reply.value, (await call).value, refused]
    })
    assert.deepEqual(cancelled, {
      actionName: 'Cancel',
      responseReason: 'Cancelled',
    })
    assert.deepEqual(first, cancelled)
    assert.equal(error.message, 'NotificationTemplateNotFoundError')
    assert.equal(error.msdyn_name, 'NotifyEvent')
  })
})
