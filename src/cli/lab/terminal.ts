import { spawnSync } from 'node:child_process'
import type { Terminal } from '../../lab/machine.js'

/**
 * This process's terminal, lent to a guest. Every key and every byte passes unchanged. stty(1) sets the raw mode, since
 * Node's own raw mode still adds carriage returns, which full-screen programs do not expect.
 */
export class RawTerminal implements Terminal {
  #before: string | undefined
  readonly output = process.stdout

  /** Makes the terminal raw. A machine reads this when it is there: until then, Ctrl-C is for pinfold. */
  get input(): NodeJS.ReadStream {
    this.#before = stty('-g')
    stty('raw', '-echo')
    process.once('exit', this.restore)
    return process.stdin
  }

  size(): { rows: number; columns: number } {
    return { rows: process.stdout.rows, columns: process.stdout.columns }
  }

  onResize(listener: () => void): () => void {
    process.stdout.on('resize', listener)
    return () => process.stdout.off('resize', listener)
  }

  readonly restore = (): void => {
    if (this.#before !== undefined) stty(this.#before)
    this.#before = undefined
    process.off('exit', this.restore)
  }
}

function stty(...words: string[]): string {
  const { stdout } = spawnSync('stty', words, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' })
  return stdout?.trim() ?? ''
}
