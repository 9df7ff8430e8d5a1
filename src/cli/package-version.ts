import { readFileSync } from 'node:fs'

/**
 * The version in package.json, which is two folders up from this file both in a checkout (src/cli) and in a package
 * (dist/cli). This file loads no library, so that `pinfold --version` takes no longer than an empty program.
 */
export function readPackageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const { version }: { version?: unknown } = JSON.parse(text)
  if (typeof version !== 'string') throw new TypeError('package.json has no version')
  return version
}
