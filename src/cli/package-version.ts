import { readFileSync } from 'node:fs'

/** The version in package.json, which lies two folders up in a checkout (src/cli) and in a package (dist/cli) alike. */
export function readPackageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  return version
}
