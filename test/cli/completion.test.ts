import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { jsonOf, pinfold } from '../support/command-line.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

const shells = ['bash', 'zsh', 'fish'] as const

function whyNotShell(shell: string): string | undefined {
  return spawnSync(shell, ['-c', 'exit 0']).status === 0 ? undefined : `needs ${shell}`
}

beforeEach((context) => needs(context, whyNotBuilt))

describe('completion', () => {
  test.each(shells)('of %s is a script, which JSON contains, too', async (shell) => {
    const { code, stdout, stderr } = await pinfold(['completion', shell])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const word of ['hugepages', 'reserve', 'dry-run', 'persist', 'translate', 'whose', 'html'])
      expect(stdout).toContain(word)
    const report = jsonOf(await pinfold(['completion', shell, '--json']))
    expect(report).toMatchObject({ schema: 'pinfold/completion/1', shell, script: stdout.trimEnd() })
  })

  for (const shell of shells) {
    test(`of ${shell} is accepted by the shell`, async (context) => {
      needs(context, whyNotShell(shell))
      const folder = mkdtempSync(join(tmpdir(), 'pinfold-completion-'))
      try {
        writeFileSync(join(folder, 'script'), (await pinfold(['completion', shell])).stdout)
        const run = spawnSync(shell, ['-n', join(folder, 'script')], { encoding: 'utf8' })
        expect(run).toMatchObject({ status: 0, stderr: '' })
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }
})

describe('completion in bash', () => {
  const reason = whyNotShell('bash')
  let script: string

  beforeAll(async () => {
    script = (await pinfold(['completion', 'bash'])).stdout
  })
  beforeEach((context) => needs(context, reason))

  function complete(words: readonly string[], folder = '/'): string[] {
    const set = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}`
    const program = `${script}\n${set}\n_pinfold\nprintf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8', cwd: folder })
    expect(stderr).toBe('')
    return stdout.split('\n').filter((word) => word !== '')
  }

  test.each([
    [
      ['pinfold', ''],
      ['doctor', 'hugepages', 'translate', 'map', 'whose', 'devices', 'lab', 'perf', 'bench', 'demo', 'completion'],
    ],
    [['pinfold', 'h'], ['hugepages']],
    [
      ['pinfold', 'hugepages', 're'],
      ['reserve', 'release'],
    ],
    [['pinfold', 'hugepages', 'reserve', '2'], ['2MiB']],
    [
      ['pinfold', 'hugepages', 'reserve', '2MiB', '64', '--d'],
      ['--dry-run', '--drop-caches'],
    ],
    [
      ['pinfold', 'hugepages', 'mount', '--page-size', '1'],
      ['1GiB', '16GiB'],
    ],
    [['pinfold', 'hugepages', 'release', '2MiB', '--node', ''], []],
    [['pinfold', 'doctor', '--s'], ['--strict']],
    [
      ['pinfold', 'bench', ''],
      ['tlb', 'copy', 'pool', 'buffers'],
    ],
    [
      ['pinfold', 'completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['pinfold', 'translate', `${process.pid}`], [`${process.pid}`]],
  ])('%j offers %j', (words, offered) => {
    expect(complete(words).sort()).toEqual([...offered].sort())
  })

  test('offers folders to mount on, also with spaces in their names', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pinfold completion '))
    try {
      expect(complete(['pinfold', 'hugepages', 'mount', folder.slice(0, -3)])).toContain(folder)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
