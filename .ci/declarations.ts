import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'

// Removes the schemas from the declarations in a folder: every statement that names zod, which a public type may not do.
// So a program compiles without the types of zod, whatever its settings are.

const [, , folder = 'dist'] = process.argv

for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  if (name.endsWith('.d.ts')) strip(join(folder, name))
}

function strip(path: string): void {
  const text = readFileSync(path, 'utf8')
  if (!text.includes("from 'zod")) return
  let left = text
  for (const { start, end } of parseSync(path, text).program.body.toReversed()) {
    if (!/\bz\.|from 'zod/.test(text.slice(start, end))) continue
    left = withoutLastComment(left.slice(0, start)) + left.slice(end)
  }
  writeFileSync(path, left)
}

/** The comment of a statement, which lies just before it, would else become that of the next one. */
function withoutLastComment(text: string): string {
  return text.replace(/\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/, '')
}
