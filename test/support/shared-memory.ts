import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { type MemoryRegistry, openRegistrySync, type Region } from '../../src/index.js'
import { kept } from './registries.js'

/** A file in shared memory that cannot be sealed. It is removed when the test is over. */
export function sharedFile(size: number): string {
  const folder = mkdtempSync('/dev/shm/pinfold-')
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/shared`, '')
  truncateSync(`${folder}/shared`, size)
  return `${folder}/shared`
}

/** A descriptor of a file, until the test is over. */
export function opened(path: string, flags = 'r+'): number {
  const descriptor = openSync(path, flags)
  onTestFinished(() => closeSync(descriptor))
  return descriptor
}

/** A region of memory that other processes can adopt, too, by its path. */
export function sharedRegion(
  size: number,
  registry: MemoryRegistry = kept(openRegistrySync()),
): { readonly region: Region; readonly path: string } {
  const path = sharedFile(size)
  const region = registry.allocateSync('shared', { size, backing: { descriptor: opened(path), mayShrink: true } })
  return { region, path }
}
