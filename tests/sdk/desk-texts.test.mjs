// The desk's catalogues: each language has every text, with the same values in it, and every text is used.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { LANGUAGES, loadTexts } from '../../client-demo/sdk/desk/texts.js'
import { ROOT } from '../support/hub.mjs'

const SDK = join(ROOT, 'client-demo/sdk')
const catalogues = Object.fromEntries(
  await Promise.all(
    LANGUAGES.map(async (one) => [one, (await import(`../../client-demo/sdk/desk/texts/${one}.js`)).default]),
  ),
)
const forms = (text) => (typeof text === 'string' ? [text] : Object.values(text))
const values = (text) => [...new Set(forms(text).flatMap((one) => one.match(/\{\w+\}/g) ?? []))].sort()

describe('the catalogues', () => {
  for (const language of LANGUAGES) {
    test(`${language} has every text, with the same values, and a form for each plural`, () => {
      const catalogue = catalogues[language]
      assert.deepEqual(Object.keys(catalogue).sort(), Object.keys(catalogues.en).sort())
      const plurals = new Intl.PluralRules(language).resolvedOptions().pluralCategories
      for (const [key, text] of Object.entries(catalogue)) {
        assert.deepEqual(values(text), values(catalogues.en[key]), key)
        assert.equal(typeof text, typeof catalogues.en[key], key)
        for (const one of forms(text)) assert.match(one, /\S/, key)
        if (typeof text !== 'string')
          for (const form of plurals.filter((one) => one === 'one' || one === 'other')) assert.ok(text[form], key)
      }
    })
  }

  test('every text is used somewhere', () => {
    const sources = [SDK, join(ROOT, 'client-demo/demo')]
      .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
      .filter((name) => name.endsWith('.js') && !name.includes('/texts/'))
      .map((name) => readFileSync(name, 'utf8'))
      .join('\n')
    const made = ['ready.', 'connection.']
    const unused = Object.keys(catalogues.en).filter(
      (key) => !sources.includes(`'${key}'`) && !made.some((start) => key.startsWith(start)),
    )
    assert.deepEqual(unused, [])
  })

  test('numbers, plurals and times follow the language; the clock does not depend on the browser', async () => {
    const at = new Date(2026, 0, 1, 21, 5).getTime()
    const said = async (language) => {
      const texts = await loadTexts([language])
      return [
        texts.timeOfDay(at),
        texts.text('kpi.elsewhere', { count: 1 }),
        texts.text('kpi.elsewhere', { count: 1_200 }),
        texts.duration(125 * 60_000),
      ].map((text) => text.replace(/[\u00a0\u202f]/g, ' '))
    }
    assert.deepEqual(await said('en'), [
      '9:05 PM',
      '1 breach at another desk',
      '1,200 breaches at other desks',
      '2 hr 5 min',
    ])
    assert.deepEqual(await said('en-GB'), [
      '21:05',
      '1 breach at another desk',
      '1,200 breaches at other desks',
      '2 hrs 5 mins',
    ])
    assert.deepEqual(await said('de-AT'), [
      '21:05',
      '1 Verletzung an einem anderen Platz',
      '1 200 Verletzungen an anderen Plätzen',
      '2 Std. 5 Min.',
    ])
    assert.deepEqual((await said('fr')).slice(0, 2), ['21:05', '1 KPI non respecté à un autre poste'])
    assert.deepEqual((await said('es')).slice(0, 2), ['21:05', '1 KPI incumplido en otro puesto'])
  })

  test('the first language that there is a catalogue for; else English', async () => {
    const language = async (...wanted) => (await loadTexts(wanted)).language
    assert.equal(await language('', null, 'de'), 'de')
    assert.equal(await language('nl', 'fr-CA', 'en'), 'fr-CA')
    assert.equal(await language('nl', 'not a tag'), 'en')
  })

  test('a name of the other direction is isolated in a sentence', async () => {
    const [english, hebrew] = await Promise.all([loadTexts(['en']), loadTexts(['x-rtl'])])
    const name = 'שרה כהן-לוי (חשבון 4471)'
    assert.equal(english.text('outcome.takenBy', { agent: name }), `taken by \u2068${name}\u2069`)
    assert.equal(english.text('outcome.takenBy', { agent: 'bob' }), 'taken by bob')
    assert.match(hebrew.text('outcome.takenBy', { agent: 'bob' }), /\u2068bob\u2069/)
    assert.deepEqual([english.direction, hebrew.direction], ['ltr', 'rtl'])
  })
})

test('the element with all its modules is at most 30 KiB gzipped, without the catalogues and the SDK', () => {
  const seen = new Set()
  const visit = (file) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/^(?:import|export) .*?from '(\..*?)'/gms))
      visit(join(file, '..', path))
  }
  visit(join(SDK, 'desk.js'))
  const own = [...seen].filter((file) => !file.endsWith('/deskbell.js'))
  const bytes = gzipSync(own.map((file) => readFileSync(file, 'utf8')).join('\n')).length
  assert.ok(own.length > 20)
  assert.ok(bytes <= 30 * 1024, `${bytes} bytes`)
})
