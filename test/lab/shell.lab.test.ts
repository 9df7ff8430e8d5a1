import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { mainScript } from '../support/command-line.js'
import { whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

const whyNotScript = spawnSync('script', ['--version']).status === 0 ? undefined : 'needs script(1), to have a terminal'

/** A program on a terminal of its own. */
class OnTerminal {
  readonly #child
  #said = ''
  readonly ended: Promise<number | null>

  constructor(command: string, env: Readonly<Record<string, string>>) {
    this.#child = spawn('script', ['-qec', command, '/dev/null'], { cwd: root, env: { ...process.env, ...env } })
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString()
    })
    this.ended = new Promise((resolve) => this.#child.on('close', resolve))
  }

  type(text: string): void {
    this.#said = ''
    this.#child.stdin.write(text)
  }

  /** Resolves with the text that matches, once the program has printed it after the last input. */
  async sees(pattern: RegExp): Promise<string> {
    for (let left = 1800; left > 0; left--) {
      const [seen] = pattern.exec(this.#said) ?? []
      if (seen !== undefined) return seen
      await setTimeout(50)
    }
    throw new Error(`no ${pattern} in ${JSON.stringify(this.#said)}`)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

test('a shell in the lab uses this terminal’s size and keys, and restores it at the end', async (context) => {
  needs(context, whyNoLab(), whyNotScript)
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-lab-shell-'))
  const script = join(folder, 'run.sh')
  writeFileSync(
    script,
    `stty rows 33 columns 99; tty > ${folder}/tty; stty -g > ${folder}/before
    ${process.execPath} ${mainScript} lab shell; status=$?
    stty -g > ${folder}/after; exit $status\n`,
  )
  const shell = new OnTerminal(`sh ${script}`, { SHELL: '/bin/sh' })
  try {
    await shell.sees(/[#$] $/)
    shell.type('stty size; tty; hostname\r')
    await shell.sees(/33 99\r\n\/dev\/hvc0\r\nlab0\r\n/)

    const terminal = readFileSync(join(folder, 'tty'), 'utf8').trim()
    spawnSync('stty', ['-F', terminal, 'rows', '20', 'columns', '70'])
    shell.type('while [ "$(stty size)" != "20 70" ]; do sleep 0.1; done; echo now $(stty size)\r')
    await shell.sees(/now 20 70\r\n/)

    shell.type("sh -c 'echo asleep; exec sleep 1000'\r")
    await shell.sees(/asleep\r\n/)
    shell.type('\u0003')
    await shell.sees(/[#$] $/)
    shell.type('echo still $((40 + 2))\r')
    await shell.sees(/still 42\r\n/)

    shell.type('exit 9\r')
    expect(await shell.ended).toBe(9)
    expect(readFileSync(join(folder, 'after'), 'utf8')).toBe(readFileSync(join(folder, 'before'), 'utf8'))
  } finally {
    shell.kill()
    rmSync(folder, { recursive: true })
  }
})
