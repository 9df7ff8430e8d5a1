import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { JobQueue } from '../../src/memory/job-queue.js'
import { Stop } from '../../src/memory/stop.js'

/** Waits until the event loop has started what it can. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await setImmediate()
}

/** Asks for jobs by name. A job that has started ends when its function is called. */
function asked(queue: JobQueue, names: readonly string[], stop?: Stop) {
  const running = new Map<string, () => void>()
  const refused = new Map<string, unknown>()
  for (const name of names) {
    const job = () => new Promise<void>((resolve) => running.set(name, resolve))
    queue.run(job, stop).catch((reason) => refused.set(name, reason))
  }
  return { running, refused }
}

test('as many jobs run as may, the others wait in the order of their calls', async () => {
  const queue = new JobQueue(2)
  const { running } = asked(queue, ['a', 'b', 'c', 'd', 'e'])
  await turns()
  expect([...running.keys()]).toEqual(['a', 'b'])
  running.get('b')?.()
  await turns()
  expect([...running.keys()]).toEqual(['a', 'b', 'c'])
  running.get('a')?.()
  running.get('c')?.()
  await turns()
  expect([...running.keys()]).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('the event loop starts a job, not the call, and one in a turn', async () => {
  const { running } = asked(new JobQueue(4), ['a', 'b', 'c', 'd', 'e', 'f'])
  const counts: number[] = []
  for (let turn = 0; turn < 6; turn++) {
    await Promise.resolve()
    counts.push(running.size)
    await setImmediate()
  }
  expect(counts).toEqual([0, 1, 2, 3, 4, 4])
})

test('a job that is stopped while it waits is refused at once, with the reason, and the others keep their places', async () => {
  const queue = new JobQueue(1)
  const stop = new Stop()
  const first = asked(queue, ['a'])
  const second = asked(queue, ['b'], stop)
  const third = asked(queue, ['c'])
  await setImmediate()
  stop.stop('enough')
  stop.stop('too late')
  await Promise.resolve()
  await Promise.resolve()
  expect([...second.refused]).toEqual([['b', 'enough']])
  first.running.get('a')?.()
  await turns()
  expect([second.running.size, third.running.size]).toEqual([0, 1])
})

test('a job that was stopped before it asks is refused, and a stop after the start changes nothing', async () => {
  const queue = new JobQueue(1)
  const stop = new Stop()
  const started = asked(queue, ['a'], stop)
  await setImmediate()
  stop.stop(undefined)
  const late = asked(queue, ['b'], stop)
  await setImmediate()
  expect([[...started.running.keys()], [...late.refused.keys()]]).toEqual([['a'], ['b']])
})
