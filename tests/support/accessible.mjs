// The violations that axe-core finds on a page, in both themes.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './hub.mjs'

const AXE = readFileSync(join(ROOT, 'client-demo/node_modules/axe-core/axe.min.js'), 'utf8')

/**
 * The page's faults as axe-core finds them, one line each; none is as it should be.
 * @param {import('playwright-core').Page} page
 */
export async function axeFaults(page) {
  await page.evaluate(AXE)
  const faults = []
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
    for (const { id, help, nodes } of violations) {
      for (const { html, failureSummary } of nodes)
        faults.push(
          `${colorScheme}, ${id}: ${help}\n  ${html.slice(0, 200)}\n  ${failureSummary.replaceAll('\n', '\n  ')}`,
        )
    }
  }
  await page.emulateMedia({ colorScheme: null })
  return faults
}
