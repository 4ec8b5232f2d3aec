// Holds deskbell.d.ts against deskbell.js: `node types/check.mjs` exits with 1 where they diverge.
// tsc checks the source and writes down what it exports; compare.ts then wants the two identical.

import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const typescript = createRequire(import.meta.url).resolve('typescript/package.json')
const tsc = join(dirname(typescript), JSON.parse(readFileSync(typescript, 'utf8')).bin.tsc)

/** What tsc has to say of the SDK whose `types` folder this is; empty if all is well. */
export function check(types = here) {
  const emitted = join(types, 'emitted')
  rmSync(emitted, { recursive: true, force: true })
  const faults = run(types, 'emit.json')
  if (faults) return faults
  // Under its own name it would hide the file that it refers to.
  const text = readFileSync(join(emitted, 'deskbell.d.ts'), 'utf8')
  rmSync(join(emitted, 'deskbell.d.ts'))
  writeFileSync(join(emitted, 'source.d.ts'), text.replaceAll("'./deskbell.d.ts'", "'../../sdk/deskbell.d.ts'"))
  return run(types, 'compare.json')
}

function run(types, project) {
  try {
    execFileSync(process.execPath, [tsc, '-p', join(types, project)], { encoding: 'utf8' })
    return ''
  } catch (error) {
    return error.stdout || String(error)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = check()
  if (faults) process.stderr.write(faults)
  process.exitCode = faults ? 1 : 0
}
