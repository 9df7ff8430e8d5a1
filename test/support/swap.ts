import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** The reason for which a page was not swapped out. */
export const whyNotOut = 'the kernel kept the pages, in spite of MADV_PAGEOUT'

/** A swap file of 64 MiB. It is on until it is disposed, or until the process exits. */
export class SwapFile {
  readonly #folder = mkdtempSync(`${tmpdir()}/pinfold-swap-`)
  readonly #giveBack = () => this[Symbol.dispose]()
  /**
   * The reason why there is no swap: no root, or an unsuitable file system. It omits the path, so that it is one
   * reason.
   */
  readonly problem: string | undefined

  constructor() {
    process.once('exit', this.#giveBack)
    const file = `${this.#folder}/swap`
    try {
      // The file is written and not only reserved, since the kernel refuses a file with holes.
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
