import { readdirSync } from 'node:fs'
import type { Suite } from './suite.js'

const workloads = new URL('workloads/', import.meta.url)

/** The names of all suites: the files of bench/workloads. A new file is a new suite. */
export function suiteNames(): string[] {
  return readdirSync(workloads)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .sort()
}

export async function loadSuite(name: string): Promise<Suite> {
  const module: { suite: Suite } = await import(new URL(`${name}.ts`, workloads).href)
  return module.suite
}
