import { readFileSync } from 'node:fs'
import * as z from 'zod/mini'

/**
 * The version in package.json, which is two folders up from this file both in a checkout (src/cli) and in a package
 * (dist/cli).
 */
export function readPackageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version
}
