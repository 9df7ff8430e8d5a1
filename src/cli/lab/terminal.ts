import { spawnSync } from 'node:child_process'
import type { Terminal } from '../../lab/machine.js'

/**
 * This process's terminal as a guest has it: every key and every byte passes as it is. By stty(1), since Node's raw mode
 * goes on adding carriage returns, which full-screen programs do not expect.
 */
export class RawTerminal implements Terminal {
  #before: string | undefined
  readonly output = process.stdout

  /** Raw from here on: once there is a machine, since until then Ctrl-C is for us. */
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
