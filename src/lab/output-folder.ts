import { spawnSync } from 'node:child_process'
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeFolder } from './folders.js'

/** What `$LAB_OUT` needs to know of a run. */
interface Wanted {
  readonly out: string | undefined
  readonly hosts: number
}

/**
 * The folder that is $LAB_OUT in the guests. If a run has made the folder, and no program has written into it, the run removes
 * it.
 *
 * Several runs may have the same folder. Each holds a shared lock on it (flock(2)) until it ends, and only a run that is
 * alone removes it: a guest of another would find no folder to write into.
 */
export class OutputFolder {
  readonly #root: string
  readonly #folders: readonly string[]
  readonly #made: boolean
  readonly #descriptor: number

  constructor({ out, hosts }: Wanted) {
    this.#root = resolve(out ?? 'lab-out')
    // One by that name that is empty was left by a run that was killed, or is another run's.
    this.#made = !existsSync(this.#root) || (out === undefined && holdsNothing(this.#root))
    this.#descriptor = openShared(this.#root)
    const names = hosts === 1 ? ['.'] : Array.from({ length: hosts }, (_, host) => `host${host}`)
    this.#folders = names.map((name) => join(this.#root, name))
    for (const folder of this.#folders) makeFolder(folder)
  }

  folderOf(host: number): string {
    return this.#folders[host] ?? this.#root
  }

  /** The folder, when there is anything in it. */
  filled(): string | undefined {
    return this.#folders.every(isEmpty) ? undefined : this.#root
  }

  /** To be called once, when the machines are gone. */
  close(): void {
    try {
      if (!lock(this.#descriptor, 'exclusive')) return // another run's, too: the last one to end sees to it
      for (const folder of this.#folders) {
        if (folder !== this.#root && existsSync(folder) && isEmpty(folder)) rmdirSync(folder)
      }
      if (this.#made && existsSync(this.#root) && isEmpty(this.#root)) rmdirSync(this.#root)
    } finally {
      closeSync(this.#descriptor)
    }
  }
}

/** The folder, made if need be, under a shared lock. */
function openShared(path: string): number {
  for (;;) {
    makeFolder(path)
    let descriptor: number
    try {
      descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
    } catch (error) {
      if (existsSync(path)) throw error
      continue // another run has just removed it
    }
    // Without flock(1) nobody gets an exclusive lock, so nothing is removed.
    lock(descriptor, 'shared')
    if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino) return descriptor
    closeSync(descriptor)
  }
}

/** Locks an open file: flock(1), of util-linux or busybox, does so to the descriptor that it inherits. */
function lock(descriptor: number, how: 'shared' | 'exclusive'): boolean {
  const args = how === 'shared' ? ['-s', '3'] : ['-x', '-n', '3']
  return spawnSync('flock', args, { stdio: ['ignore', 'ignore', 'ignore', descriptor] }).status === 0
}

/** Nothing but the empty folders of hosts. */
function holdsNothing(root: string): boolean {
  return readdirSync(root, { withFileTypes: true }).every(
    (entry) => /^host\d$/.test(entry.name) && entry.isDirectory() && isEmpty(join(root, entry.name)),
  )
}

function isEmpty(folder: string): boolean {
  return readdirSync(folder).length === 0
}
