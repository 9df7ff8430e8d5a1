import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Libc } from '../../src/addon/process-facts.js'
import type { Node } from './vitest.js'

/** A program that runs JavaScript files: a Node, Bun, or Deno. */
export interface Runtime {
  /** Its name and full version, and what else makes it different. */
  readonly label: string
  readonly path: string
  /** The arguments before the name of the file. */
  readonly args: readonly string[]
  /** Its C library, if that is not the one of this process. */
  readonly libc?: Libc['name']
  readonly env?: Readonly<Record<string, string>>
}

export function runtimeOf({ label, path }: Node): Runtime {
  return { label: `Node ${label}`, path, args: [] }
}

/** Bun and Deno from .ci/nodes, where the set-up has installed them. */
export function otherRuntimes(): Runtime[] {
  const folder = (name: string): string => `.ci/nodes/node_modules/${name}-${process.arch}`
  const versionOf = (name: string): string => {
    const { version }: { version: string } = JSON.parse(readFileSync(`${folder(name)}/package.json`, 'utf8'))
    return version
  }
  const all: Runtime[] = [
    { label: `Bun ${versionOf('bun')}`, path: resolve(folder('bun'), 'bin/bun'), args: [] },
    {
      label: `Deno ${versionOf('deno')}`,
      path: resolve(folder('deno'), 'deno'),
      args: ['run', '--allow-all', '--no-lock', '--no-remote', '--node-modules-dir=manual'],
    },
  ]
  for (const { label, path } of all) if (!existsSync(path)) throw new Error(`${label}: ${path} is missing`)
  return all
}
