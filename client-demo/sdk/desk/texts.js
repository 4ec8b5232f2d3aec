// The words of the desk: one catalogue per language, loaded when it is needed. Plurals, numbers and times follow the
// language, not the browser.

/** @typedef {string | { one?: string, other: string, [form: string]: string | undefined }} Text */
/** @typedef {Record<string, Text>} Catalogue */

/** The languages with a catalogue of their own; the first one is the fallback. */
export const LANGUAGES = ['en', 'de', 'es', 'fr']
/** For tests: English with every letter doubled, and English in Hebrew letters. See texts/test-languages.js. */
const TEST_LANGUAGES = { 'x-long': 'en', 'x-rtl': 'he' }
const RIGHT_TO_LEFT = /^(ar|fa|he|ur)\b/
const RTL_LETTER = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/

/**
 * The catalogue of the first language that there is one for.
 * @param {readonly (string | undefined | null)[]} wanted language tags, the best first
 * @returns {Promise<Texts>}
 */
export async function loadTexts(wanted) {
  for (const tag of wanted) {
    if (!tag) continue
    if (Object.hasOwn(TEST_LANGUAGES, tag)) {
      const { testCatalogue } = await import('./texts/test-languages.js')
      return new Texts(await testCatalogue(tag), TEST_LANGUAGES[tag])
    }
    const language = tag.toLowerCase().split('-')[0]
    if (LANGUAGES.includes(language)) return new Texts((await catalogue(language)).default, known(tag) ?? language)
  }
  return new Texts((await catalogue('en')).default, 'en')
}

function catalogue(language) {
  switch (language) {
    case 'de':
      return import('./texts/de.js')
    case 'es':
      return import('./texts/es.js')
    case 'fr':
      return import('./texts/fr.js')
    default:
      return import('./texts/en.js')
  }
}

function known(tag) {
  try {
    return Intl.getCanonicalLocales(tag)[0]
  } catch {
    return undefined
  }
}

export class Texts {
  #catalogue
  #plurals
  #numbers
  #clock
  #units

  /** @param {Catalogue} catalogue @param {string} locale for `Intl` and for the `lang` of what is drawn */
  constructor(catalogue, locale) {
    this.language = locale
    this.direction = RIGHT_TO_LEFT.test(locale) ? 'rtl' : 'ltr'
    this.#catalogue = catalogue
    this.#plurals = new Intl.PluralRules(locale)
    this.#numbers = new Intl.NumberFormat(locale)
    this.#clock = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' })
    this.#units = (/** @type {string} */ unit) =>
      new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 })
  }

  /**
   * A text with its values filled in. With a `count` the language's plural form is chosen.
   * @param {Record<string, string | number>} [values]
   */
  text(key, values = {}) {
    const entry = this.#catalogue[key]
    if (entry === undefined) throw new Error(`no text "${key}"`)
    const plain = typeof entry === 'string' ? entry : (entry[this.#plurals.select(Number(values.count))] ?? entry.other)
    return plain.replace(/\{(\w+)\}/g, (_, name) => this.#value(values[name]))
  }

  #value(value = '') {
    return typeof value === 'number' ? this.number(value) : this.isolate(value)
  }

  number(value) {
    return this.#numbers.format(value)
  }

  /** A name within a sentence of the other direction: isolated, so that neither changes the order of the other. */
  isolate(value) {
    const same = this.direction === 'ltr' ? !RTL_LETTER.test(value) : value === ''
    return same ? value : `\u2068${value}\u2069`
  }

  /** The time of day, as the language writes it. @param {number | string} at */
  timeOfDay(at) {
    const date = new Date(at)
    // Some languages put a narrow space before "PM".
    return Number.isNaN(date.getTime()) ? '' : this.#clock.format(date).replace('\u202f', '\u00a0')
  }

  /** How long something has lasted, in minutes and hours. */
  duration(ms) {
    const minutes = Math.floor(ms / 60_000)
    if (minutes < 1) return this.text('time.underMinute').replaceAll(' ', '\u00a0')
    if (minutes < 60) return this.#amount(minutes, 'minute')
    return `${this.#amount(Math.floor(minutes / 60), 'hour')} ${this.#amount(minutes % 60, 'minute')}`
  }

  /** A difference of a few seconds or minutes. */
  span(ms) {
    const seconds = Math.round(Math.abs(ms) / 1_000)
    return seconds < 90 ? this.#amount(seconds, 'second') : this.duration(seconds * 1_000)
  }

  seconds(ms) {
    return this.#amount(ms / 1_000, 'second')
  }

  /** What remains of a countdown: `2:05`, `0:09`. */
  countdown(ms) {
    const seconds = Math.ceil(ms / 1_000)
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  }

  #amount(value, unit) {
    return this.#units(unit)
      .format(value)
      .replace(/[\s\u202f]/, '\u00a0')
  }
}
