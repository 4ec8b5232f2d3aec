// A reporter for node --test: writes each failed or skipped test and the counts to the file named by
// DESKBELL_NODE_REPORT. tests/run reads that file at its end.

import { basename } from 'node:path'
import { writeFileSync } from 'node:fs'

export default async function* report(events) {
  const lines = []
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    // A suite, or a file that holds tests: its own tests are counted.
    const failure = data.details?.error?.failureType
    if (data.details?.type === 'suite' || failure === 'subtestsFailed') continue
    const name = `${data.file ? basename(data.file) : 'a file'}: ${data.name.split('\n')[0]}`
    if (data.skip !== undefined || data.todo !== undefined) {
      counts.skipped += 1
      lines.push(`left out\t${name}\t${data.skip || data.todo || 'no reason is given'}`)
    } else if (type === 'test:fail') {
      counts.failed += 1
      lines.push(`failed\t${name}`)
    } else {
      counts.passed += 1
    }
  }
  lines.push(`counts\t${counts.passed}\t${counts.failed}\t${counts.skipped}`)
  if (process.env.DESKBELL_NODE_REPORT) writeFileSync(process.env.DESKBELL_NODE_REPORT, lines.join('\n') + '\n')
}
