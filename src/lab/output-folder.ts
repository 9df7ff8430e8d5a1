import { spawnSync } from 'node:child_process'
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeFolder } from './folders.js'

/** The options of a run that `$LAB_OUT` depends on. */
interface Wanted {
  readonly out: string | undefined
  readonly hosts: number
}

/**
 * The folder that is $LAB_OUT in the guests. If a run has made the folder, and no program has written into it, the run
 * removes it.
 *
 * Several runs may use the same folder. Each holds a shared lock on it (flock(2)) until it ends, and a run removes the
 * folder only if no other run holds a lock. Otherwise a guest of the other run would find no folder to write to.
 */
export class OutputFolder {
  readonly #root: string
  readonly #folders: readonly string[]
  readonly #made: boolean
  readonly #descriptor: number

  constructor({ out, hosts }: Wanted) {
    this.#root = resolve(out ?? 'lab-out')
    // An empty folder of that name was left by a run that was killed, or belongs to another run.
    this.#made = !existsSync(this.#root) || (out === undefined && holdsNothing(this.#root))
    this.#descriptor = openShared(this.#root)
    const names = hosts === 1 ? ['.'] : Array.from({ length: hosts }, (_, host) => `host${host}`)
    this.#folders = names.map((name) => join(this.#root, name))
    for (const folder of this.#folders) makeFolder(folder)
  }

  folderOf(host: number): string {
    return this.#folders[host] ?? this.#root
  }

  /** The folder, if it contains anything. */
  filled(): string | undefined {
    return this.#folders.every(isEmpty) ? undefined : this.#root
  }

  /**
   * Removes the folder if it is empty, a run has made it, and no other run uses it. To be called once, when the
   * machines are gone.
   */
  close(): void {
    try {
      if (!lock(this.#descriptor, 'exclusive')) return // another run uses it, too: the last run to end removes it
      for (const folder of this.#folders) {
        if (folder !== this.#root && existsSync(folder) && isEmpty(folder)) rmdirSync(folder)
      }
      if (this.#made && existsSync(this.#root) && isEmpty(this.#root)) rmdirSync(this.#root)
    } finally {
      closeSync(this.#descriptor)
    }
  }
}

/** Opens the folder under a shared lock, and makes it if necessary. */
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
    // Without flock(1), no run gets an exclusive lock, so nothing is removed.
    lock(descriptor, 'shared')
    if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino) return descriptor
    closeSync(descriptor)
  }
}

/** Locks an open file. flock(1), of util-linux or busybox, locks the descriptor that it inherits. */
function lock(descriptor: number, how: 'shared' | 'exclusive'): boolean {
  const args = how === 'shared' ? ['-s', '3'] : ['-x', '-n', '3']
  return spawnSync('flock', args, { stdio: ['ignore', 'ignore', 'ignore', descriptor] }).status === 0
}

/** True if the folder contains nothing except empty folders of hosts. */
function holdsNothing(root: string): boolean {
  return readdirSync(root, { withFileTypes: true }).every(
    (entry) => /^host\d$/.test(entry.name) && entry.isDirectory() && isEmpty(join(root, entry.name)),
  )
}

function isEmpty(folder: string): boolean {
  return readdirSync(folder).length === 0
}
