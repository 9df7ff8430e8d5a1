import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** A swap file of 64 MiB, on until it is disposed, or the process exits. */
export class SwapFile {
  readonly #folder = mkdtempSync(`${tmpdir()}/pinfold-swap-`)
  readonly #giveBack = () => this[Symbol.dispose]()
  /** Why there is no swap, where there is none: no root, or a file system that cannot. */
  readonly problem: string | undefined

  constructor() {
    process.once('exit', this.#giveBack)
    const file = `${this.#folder}/swap`
    try {
      // Written, not only reserved: the kernel refuses a file with holes.
      execFileSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', 'count=64', 'status=none'])
      execFileSync('chmod', ['600', file])
      execFileSync('mkswap', [file], { stdio: 'pipe' })
      execFileSync('swapon', [file], { stdio: 'pipe' })
    } catch (error) {
      this.problem = error instanceof Error ? error.message.trim() : String(error)
    }
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#giveBack)
    try {
      if (this.problem === undefined) execFileSync('swapoff', [`${this.#folder}/swap`])
    } finally {
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }
}
