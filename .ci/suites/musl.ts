import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { succeed } from '../processes.js'
import type { Runtime } from './runtimes.js'

/** musl's dynamic loader, which is also its C library. */
export const muslLoader = '/lib/ld-musl-x86_64.so.1'

/** The reason why this machine runs no program for musl; undefined if it does. */
export function whyNoMusl(): string | undefined {
  if (process.arch !== 'x64') return `Bun for musl is installed on x64 only, and this is ${process.arch}`
  return existsSync(muslLoader) ? undefined : 'musl is not installed (Debian: musl)'
}

/** Bun for musl, from .ci/musl. The C++ library that it needs is made in a new folder inside of `folder`. */
export async function bunOnMusl(folder: string): Promise<Runtime> {
  const installed = '.ci/musl/node_modules/@oven/bun-linux-x64-musl'
  const { version }: { version: string } = JSON.parse(readFileSync(`${installed}/package.json`, 'utf8'))
  const libraries = join(folder, 'musl')
  mkdirSync(libraries)
  await succeed('bash', ['.ci/musl/libstdcxx', libraries])
  return {
    label: `Bun ${version} with musl`,
    path: resolve(installed, 'bin/bun'),
    args: [],
    libc: 'musl',
    env: { LD_LIBRARY_PATH: libraries },
  }
}
