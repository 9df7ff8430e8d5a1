import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openDevice } from '../../src/index.js'
import { type ConnectedPair, connectedPair, type WeatherOptions, weather } from '../../src/testing/index.js'

// Random programs in random weather, each twice: the same seed gives the same order of events, and whatever the weather
// is, every request ends exactly once, in the order of its queue pair.

const turns = fc.oneof(fc.nat(5), fc.record({ least: fc.nat(3), most: fc.integer({ min: 3, max: 9 }) }))
const after = fc.nat(40)
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 1 })
const storms: fc.Arbitrary<WeatherOptions> = fc.record({
  seed: fc.nat(2 ** 32 - 1),
  delay: turns,
  reorder: fc.boolean(),
  loss: fc.constantFrom(0, 0.1, 0.5, 1),
  notReady: fc.constantFrom(0, 0.2, 1),
  error: optional(fc.record({ after, status: fc.constantFrom('REM_OP_ERR', 'LOC_PROT_ERR', 'REM_ACCESS_ERR') })),
  stall: optional(fc.record({ after })),
  portDown: optional(fc.record({ after, turns: fc.integer({ min: 1, max: 12 }) })),
})
/** Which pair posts, what, and whether the program takes a turn after it. */
const steps = fc.array(
  fc.record({ pair: fc.nat(2), operation: fc.constantFrom('write', 'send', 'read'), takesTurn: fc.boolean() }),
  { minLength: 1, maxLength: 50 },
)
type Step = typeof steps extends fc.Arbitrary<readonly (infer One)[]> ? One : never

interface Ended {
  readonly pair: number
  readonly id: number
  readonly status: string
}

async function run(options: WeatherOptions, program: readonly Step[]) {
  using device = openDevice({ loopback: true })
  const pairs = [0, 1, 2].map(() => connectedPair({ device, connect: { rnrRetry: 3, retryCount: 3 } }))
  try {
    for (const { far } of pairs) {
      for (let index = 0; index < 50; index++) far.queuePair.postReceive({ memory: far.memory.slice(0, 8) })
    }
    const ended: Ended[] = []
    const collect = () => {
      for (const [pair, { near }] of pairs.entries()) {
        ended.push(...near.queue.poll(64).map(({ id, status }) => ({ pair, id, status })))
      }
    }
    const storm = weather(device, options)
    for (const [id, step] of program.entries()) {
      post(pairs[step.pair], step.operation, id)
      if (step.takesTurn) await new Promise(setImmediate)
      collect()
    }
    // More turns than the longest delays and retries of 50 requests take.
    for (let turn = 0; turn < 600; turn++) await new Promise(setImmediate)
    collect()
    for (const { near } of pairs) near.queuePair.modify({ state: 'ERR' })
    collect()
    const { log } = storm
    storm.end()
    return { log, ended }
  } finally {
    for (const pair of pairs) pair.close()
  }
}

function post(pair: ConnectedPair | undefined, operation: Step['operation'], id: number): void {
  if (pair === undefined) return
  const { queuePair, memory, remote } = pair.near
  if (operation === 'send') queuePair.post({ operation, memory: memory.slice(0, 8), id })
  else queuePair.post({ operation, memory: memory.slice(0, 8), remote: remote.slice(0, 8), id })
}

test('the same seed gives the same order of events, and every request ends once, in the order of its queue pair', async () => {
  await fc.assert(
    fc.asyncProperty(storms, steps, async (options, program) => {
      const first = await run(options, program)
      expect(await run(options, program)).toEqual(first)
      for (const pair of [0, 1, 2]) {
        const posted = program.flatMap((step, id) => (step.pair === pair ? [id] : []))
        expect(first.ended.filter((one) => one.pair === pair).map(({ id }) => id)).toEqual(posted)
      }
    }),
    { numRuns: 60 },
  )
})

test('another seed gives another weather', async () => {
  const program = Array.from({ length: 40 }, (_, index) => ({
    pair: index % 3,
    operation: 'write' as const,
    takesTurn: false,
  }))
  const options: WeatherOptions = { loss: 0.3, delay: { least: 0, most: 8 } }
  const logs = await Promise.all([1, 2, 3].map((seed) => run({ ...options, seed }, program)))
  expect(new Set(logs.map(({ log }) => JSON.stringify(log))).size).toBe(3)
})
