import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** Why a page that was to go out to swap is still there. */
export const whyNotOut = 'the kernel kept the pages, in spite of MADV_PAGEOUT'

/** A swap file of 64 MiB, on until it is disposed, or the process exits. */
export class SwapFile {
  readonly #folder = mkdtempSync(`${tmpdir()}/pinfold-swap-`)
  readonly #giveBack = () => this[Symbol.dispose]()
  /** Why there is no swap, where there is none: no root, or a file system that cannot. Without its path: one reason. */
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
      const [why = ''] = String(error).trim().split('\n').slice(-1)
      this.problem = `needs swap: ${why.replaceAll(file, 'a file')}`
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
