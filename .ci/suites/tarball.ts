import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { succeed } from '../processes.js'

/** The addons in a tarball: those of the published package, or the one that this checkout has built. */
export type Addons = 'published' | 'here'

/**
 * The tarball that `npm pack` makes, in a temporary folder. It is made when a suite first asks for it. All suites that
 * have the same object use the same file.
 */
export class Tarball {
  readonly addons: Addons
  #folder: string | undefined
  #path: Promise<string> | undefined

  constructor(addons: Addons) {
    this.addons = addons
  }

  /**
   * The path of the tarball.
   *
   * @throws with the output of the command that failed. A tarball that could not be made is not tried again.
   */
  path(): Promise<string> {
    this.#path ??= this.#make()
    return this.#path
  }

  remove(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }

  async #make(): Promise<string> {
    // zig compiles its C++ library first, once for each platform.
    await succeed('bash', ['.ci/prebuilds', ...(this.addons === 'here' ? ['here'] : [])], { minutes: 25 })
    const folder = mkdtempSync(join(tmpdir(), 'pinfold-tarball-'))
    this.#folder = folder
    const output = await succeed('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder])
    return join(folder, output.trim().split('\n').at(-1) ?? '')
  }
}
