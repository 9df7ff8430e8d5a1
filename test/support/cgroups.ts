import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { cgroupDirectories, parseCgroupMounts, parseMemberships } from '../../src/system/cgroup.js'
import { whyNotRoot } from './requirements.js'

/** A cgroup below this process's own, for the duration of one test. `makeCgroup` makes it. */
export interface TestCgroup {
  readonly directory: string
  /** A cgroup one level further down, into which processes may move. */
  readonly child: string
  readonly version: 1 | 2
  set(file: string, value: number | string): void
  /** Moves this process into `child`. */
  enter(): void
  /** Moves it back. Its pages stay charged to the cgroup until they are freed. */
  leave(): void
  [Symbol.dispose](): void
}

/**
 * Makes a cgroup of the controller, or returns why it cannot. Mounts a hierarchy of version 1 for it, if none is
 * mounted.
 */
export function makeCgroup(controller: 'hugetlb' | 'memory'): TestCgroup | string {
  const reason = whyNotRoot('make a cgroup')
  if (reason !== undefined) return reason
  const mounted = ownDirectory(controller)
  if (mounted?.version === 1) return new Cgroup(mounted.directory, 1)
  if (mounted !== undefined && listOf(`${mounted.directory}/cgroup.subtree_control`).includes(controller)) {
    return new Cgroup(mounted.directory, 2)
  }
  const mountPoint = mkdtempSync(`${tmpdir()}/pinfold-cgroup-`)
  const { status } = spawnSync('mount', ['-t', 'cgroup', '-o', controller, 'none', mountPoint])
  if (status === 0) return new Cgroup(mountPoint, 1, mountPoint)
  rmdirSync(mountPoint)
  return `needs the ${controller} controller, in version 1 or handed down to this cgroup`
}

class Cgroup implements TestCgroup {
  readonly directory: string
  readonly child: string
  readonly version: 1 | 2
  readonly #parent: string
  readonly #mountPoint: string | undefined

  constructor(parent: string, version: 1 | 2, mountPoint?: string) {
    this.#parent = parent
    this.version = version
    this.#mountPoint = mountPoint
    this.directory = `${parent}/pinfold-test-${process.pid}`
    this.child = `${this.directory}/child`
    mkdirSync(this.directory)
    mkdirSync(this.child)
  }

  set(file: string, value: number | string): void {
    writeFileSync(`${this.directory}/${file}`, `${value}`)
  }

  enter(): void {
    writeFileSync(`${this.child}/cgroup.procs`, `${process.pid}`)
  }

  leave(): void {
    writeFileSync(`${this.#parent}/cgroup.procs`, `${process.pid}`)
  }

  [Symbol.dispose](): void {
    this.leave()
    rmdirSync(this.child)
    rmdirSync(this.directory)
    if (this.#mountPoint === undefined) return
    spawnSync('umount', [this.#mountPoint])
    rmdirSync(this.#mountPoint)
  }
}

function ownDirectory(controller: string) {
  const memberships = parseMemberships(readFileSync('/proc/self/cgroup', 'utf8'))
  const mounts = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
  return cgroupDirectories(controller, memberships, mounts)[0]
}

function listOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').trim().split(' ')
  } catch {
    return [] // a hierarchy whose controllers cannot be read hands none down
  }
}
