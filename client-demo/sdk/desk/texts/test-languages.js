// Two languages for tests, made from English: words twice as long, and words in letters that run from right to left.
// A text that is in neither was not taken from a catalogue; a layout that breaks with one breaks with a real language.

import english from './en.js'

const HEBREW = [...'אבגדהוזחטיכלמנסעפצקרשת']

/** @type {Record<string, (letter: string) => string>} */
const LETTERS = {
  'x-long': (letter) => letter + letter.toLowerCase(),
  'x-rtl': (letter) => HEBREW[(letter.toLowerCase().charCodeAt(0) - 97) % HEBREW.length],
}

/** @param {string} language @returns {Promise<import('../texts.js').Catalogue>} */
export async function testCatalogue(language) {
  const change = (text) =>
    text.replace(/\{\w+\}|[A-Za-z]/g, (found) => (found.startsWith('{') ? found : LETTERS[language](found)))
  return Object.fromEntries(
    Object.entries(english).map(([key, text]) => [
      key,
      typeof text === 'string'
        ? change(text)
        : Object.fromEntries(Object.entries(text).map(([form, one]) => [form, change(one)])),
    ]),
  )
}
