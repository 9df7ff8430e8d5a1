import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { type Failure, type Outcome, type Skipped, silent } from '../outcome.js'
import { run } from '../processes.js'

const sanitizers = {
  asan: { flags: 'address,undefined', env: { ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1' } },
  tsan: { flags: 'thread', env: { TSAN_OPTIONS: 'halt_on_error=0:second_deadlock_stack=1' } },
}

/** Runs the core's own tests, without Node, under a sanitizer. Each program reports TAP. */
export async function native(sanitizer: keyof typeof sanitizers): Promise<Outcome> {
  const suite = `native-${sanitizer}`
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  const { flags, env } = sanitizers[sanitizer]

  const folder = `build/${sanitizer}`
  for (const args of [
    ['-S', '.', '-B', folder, '-G', 'Unix Makefiles', `-DPINFOLD_SANITIZE=${flags}`, '-DPINFOLD_TESTS=ON'],
    ['--build', folder, '--parallel', String(availableParallelism())],
  ]) {
    const { status, output } = await run('cmake', args, { minutes: 15 })
    // This removes make's progress, so that the first lines that are shown are the compiler's.
    if (status !== 0) return silent(suite, output.replace(/^\[ *\d+%\].*\n/gm, ''), seconds())
  }

  const programs = readdirSync('native/test')
    .filter((file) => file.endsWith('_test.cc'))
    .map((file) => `${folder}/test/${file.replace(/\.cc$/, '')}`)
  if (programs.length === 0) return silent(suite, 'no test ran: native/test has no *_test.cc', seconds())
  const total = { passed: 0, failed: [] as Failure[], skipped: [] as Skipped[] }
  const launcher = await withoutAddressRandomization()
  for (const program of programs) {
    const [command = program, ...args] = [...launcher, program]
    const { status, output } = await run(command, args, { env, minutes: 10 })
    const { passed, failed, skipped } = readTap(program.replace(/^.*\//, ''), output, status)
    total.passed += passed
    total.failed.push(...failed)
    total.skipped.push(...skipped)
  }
  return { suite, ...total, seconds: seconds() }
}

/**
 * The sanitizers of GCC 12 map their shadow memory at fixed places. A kernel that randomizes addresses by 32 bits
 * (since 6.6) sometimes puts other memory there. setarch -R turns randomization off, if the container allows this.
 */
async function withoutAddressRandomization(): Promise<string[]> {
  const { status } = await run('setarch', ['-R', 'true'])
  return status === 0 ? ['setarch', '-R'] : []
}

/** Reads a TAP report. Missing reports of planned tests count as a failure, and so does a sanitizer's exit status. */
export function readTap(program: string, output: string, status: number): Omit<Outcome, 'suite' | 'seconds'> {
  const failed: Failure[] = []
  const skipped: Skipped[] = []
  let passed = 0
  const promised = Number(output.match(/^1\.\.(\d+)$/m)?.[1] ?? 0)
  const lines = output.split('\n')
  for (const [index, line] of lines.entries()) {
    const [, not, sentence = '', reason] = line.match(/^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$/) ?? []
    if (!/^(not )?ok /.test(line)) continue
    const name = `${program}: ${sentence}`
    if (not) failed.push({ name, detail: (lines[index + 1] ?? '').replace(/^\s*# /, '') })
    else if (reason !== undefined) skipped.push({ name, reason })
    else passed++
  }
  const reported = passed + failed.length + skipped.length
  if (promised === 0 || reported !== promised || (status !== 0 && failed.length === 0)) {
    const what = `${reported} of ${promised} tests reported, exit status ${status}`
    failed.push({ name: `${program} runs to its end`, detail: `${what}\n${output}` })
  }
  return { passed, failed, skipped }
}
