import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Checks, type Outcome } from '../outcome.js'
import { run } from '../processes.js'

type Model = 'ring-side' | 'depot'
type Memory = keyof typeof memories

/** The memory models of test/models/threads.pml. */
const memories = { 'x86-64': [], 'weakly ordered memory': ['WEAK'] } as const

/** The models that are checked at the same time, and the memory of each: 2 GiB in all. */
const mostWorkers = 4
const mostMebibytes = 512
/** How many lines of the way to an error a failure shows. */
const lastSteps = 40

/** One run of the model checker. */
interface Configuration {
  readonly name: string
  readonly model: Model
  /** Names that are defined when the model is read. */
  readonly switches: readonly string[]
  /** True if the model checker must find no error; false if it must find one. */
  readonly holds: boolean
}

const proofs: readonly (readonly [Model, string, ...string[]])[] = [
  ['ring-side', 'two producers share a side', 'MANY'],
  ['ring-side', 'two consumers share a side', 'MANY', 'ONE_PRODUCER'],
  ['ring-side', 'a second producer follows the first'],
  ['ring-side', 'a second consumer follows the first', 'ONE_PRODUCER'],
  ['ring-side', 'an exception ends a call of a producer', 'MANY', 'EXCEPTION'],
  ['ring-side', 'an exception ends a call of a consumer', 'MANY', 'ONE_PRODUCER', 'EXCEPTION'],
  ['depot', 'three threads exchange magazines'],
  ['depot', 'three threads take elements and put them back', 'SINGLES'],
  ['depot', 'an exception ends an exchange', 'EXCEPTION'],
]

/**
 * Protocols that lack one order or one rule. Each is checked on x86-64, if it fails there. It then fails on weakly
 * ordered memory, too, since that may do everything that x86-64 does.
 */
const faults: readonly (readonly [Model, Memory, string, ...string[]])[] = [
  ['ring-side', 'x86-64', 'A1 as a load and a store', 'NO_A1', 'MANY'],
  ['ring-side', 'x86-64', 'A1 that replaces a living owner', 'LIVING_OWNER', 'MANY'],
  ['ring-side', 'x86-64', 'R0 before the values are stored', 'R0_BEFORE_COPIES_IN', 'MANY'],
  ['ring-side', 'x86-64', 'R0 before the values are loaded', 'R0_BEFORE_COPIES_OUT', 'MANY'],
  ['ring-side', 'x86-64', 'R1 before R0', 'R1_BEFORE_R0', 'MANY'],
  ['ring-side', 'weakly ordered memory', 'R0 as a plain store', 'R0_PLAIN', 'MANY'],
  ['ring-side', 'weakly ordered memory', 'R1 as a plain store', 'R1_PLAIN', 'MANY'],
  ['ring-side', 'weakly ordered memory', 'A0 as a plain load', 'A0_PLAIN', 'MANY'],
  ['ring-side', 'x86-64', 'a death that is seen before the last stores', 'DEATH_BEFORE_STORES', 'MANY'],
  ['depot', 'x86-64', 'D0 as a load and a store', 'NO_D0'],
  ['depot', 'x86-64', 'D0 that replaces a living owner', 'LIVING_OWNER'],
  ['depot', 'x86-64', 'D1 before M1', 'D1_BEFORE_M1'],
  ['depot', 'weakly ordered memory', 'D1 as a plain store', 'D1_PLAIN'],
  ['depot', 'x86-64', 'no M1', 'NO_M1'],
  ['depot', 'x86-64', 'no M2', 'NO_M2'],
  ['depot', 'x86-64', 'no M3', 'NO_M3'],
  ['depot', 'x86-64', 'P1 before the copies', 'P1_BEFORE_COPIES'],
  ['depot', 'x86-64', 'P1 before the record', 'P1_BEFORE_RECORD'],
  ['depot', 'x86-64', 'no P2', 'NO_P2'],
  ['depot', 'x86-64', 'P3 before the counts', 'P3_BEFORE_COUNTS'],
  ['depot', 'x86-64', 'an element that is counted before its number is stored', 'COUNT_BEFORE_NUMBER', 'SINGLES'],
  ['depot', 'x86-64', 'a death that is seen before the last stores', 'DEATH_BEFORE_STORES'],
]

/** The longest configurations come first, so that all workers end at about the same time. */
function configurations(): Configuration[] {
  const proved = (['weakly ordered memory', 'x86-64'] as const).flatMap((memory) =>
    proofs.map(([model, what, ...switches]) => ({
      name: `${model} on ${memory}: ${what}`,
      ...{ model, switches: [...memories[memory], ...switches], holds: true },
    })),
  )
  const refuted = faults.map(([model, memory, what, ...switches]) => ({
    name: `${model} on ${memory} fails with ${what}`,
    ...{ model, switches: [...memories[memory], ...switches], holds: false },
  }))
  return [...proved, ...refuted]
}

/**
 * Checks the models of test/models/ by spin, in all their states: the protocols hold, and each of their orders is
 * needed.
 */
export async function models(): Promise<Outcome> {
  const checks = new Checks('models')
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-models-'))
  try {
    const waiting = [...configurations().entries()]
    const results: string[] = []
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [index, configuration] = next
        const work = join(folder, String(index))
        mkdirSync(work)
        const { detail, isInterrupted } = await check(configuration, work)
        rmSync(work, { recursive: true })
        results[index] = detail
        if (isInterrupted) waiting.length = 0
      }
    }
    await Promise.all(Array.from({ length: Math.min(mostWorkers, availableParallelism()) }, worker))
    for (const [index, { name }] of configurations().entries()) checks.add(name, results[index] ?? 'not checked')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return checks.outcome()
}

interface Checked {
  /** Empty if the check passed. */
  readonly detail: string
  readonly isInterrupted: boolean
}

async function check({ model, switches, holds }: Configuration, cwd: string): Promise<Checked> {
  const file = resolve('test/models', `${model}.pml`)
  const trail = `${model}.pml.trail`
  const defined = switches.map((name) => `-D${name}`)
  const commands: readonly (readonly [string, ...string[]])[] = [
    ['spin', ...defined, '-a', file],
    // Without -O2: it would take up to ten seconds more to compile the model, and save two seconds.
    ['gcc', '-O0', '-w', '-DSAFETY', `-DMEMLIM=${mostMebibytes}`, '-o', 'pan', 'pan.c'],
    ['./pan', '-m5000', '-w22'],
  ]
  let report = ''
  for (const [command, ...args] of commands) {
    const { status, output } = await run(command, args, { cwd, minutes: 5 })
    report = output
    // The model checker ends with status 0 after SIGINT.
    if (status > 128 || /^Interrupted$/m.test(output)) return { detail: 'interrupted', isInterrupted: true }
    if (status !== 0) return failed(`${command} ended with status ${status}:\n${output}`)
  }
  const wrong = holds ? whyNotProved(report) : whyNotRefuted(report)
  if (wrong === '') return { detail: '', isInterrupted: false }
  if (!existsSync(join(cwd, trail))) return failed(`${wrong}\n${report}`)
  const { output } = await run('spin', [...defined, '-k', trail, '-p', file], { cwd, minutes: 1 })
  return failed([wrong, report.split('\n', 1), 'The last steps before it:', ...stepsIn(output)].join('\n'))
}

function failed(detail: string): Checked {
  return { detail, isInterrupted: false }
}

/** The last steps before the error, from the output of spin: the process, the place, and the code. */
function stepsIn(output: string): string[] {
  const steps = output.matchAll(/^ *\d+:\s+(proc +\d+ \(\w+):\d+\) (?:\S*\/)?(\S+) \(state \d+\)\s+(\[.*\])$/gm)
  return [...steps]
    .filter(([, , place = '', code = '']) => /^\[.*[=<>!]/.test(code) && !place.startsWith('threads.pml'))
    .map(([, process, place, code]) => `${process}) ${place} ${code}`)
    .slice(-lastSteps)
}

/** Nothing if the search was complete and has found no error. */
function whyNotProved(report: string): string {
  if (/^pan: reached -DMEMLIM bound|out of memory/m.test(report)) return 'the memory did not suffice for all states'
  if (/max search depth too small/.test(report)) return 'the search was not deep enough for all states'
  const isWhole = /^Full statespace search for:/m.test(report) && !/Search not completed/.test(report)
  return isWhole && /, errors: 0$/m.test(report) ? '' : 'the proof failed, or the search was not complete'
}

/** Nothing if the search has found a violation of what the model asserts, or threads that wait for ever. */
function whyNotRefuted(report: string): string {
  const isRefuted = /^pan:1: (assertion violated|invalid end state)/m.test(report) && /, errors: [1-9]/.test(report)
  return isRefuted ? '' : 'the model has no error without this order, so the order is not needed or not modelled'
}
