import { describe, expect, test, vi } from 'vitest'
import { attachRing, bufferPoolBytes, createBufferPool, createRing } from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { Child } from '../support/child-process.js'
import { needs, whyNotNamespaces } from '../support/requirements.js'
import { sharedRegion } from '../support/shared-memory.js'

// A thread reads from /proc whether a thread of another process lives, and /proc depends on the namespaces of the
// reader. The other process inherits a descriptor of the memory, since it may see another /dev/shm.

const size = 4 * basePageSize

function shared() {
  const { region, path } = sharedRegion(size)
  const ring = createRing(region, { count: 512, patience: 30_000 })
  ring.enqueue(7)
  return { region, ring, path }
}

/** A child that `command` runs. Its descriptor 9 is the memory of `path`. */
function childIn(command: readonly string[], path: string, script: string, size: number, work: string): Child {
  const prefix = ['sh', '-c', 'exec 9<>"$0"; exec "$@"', path, ...command]
  return new Child(script, ['/proc/self/fd/9', size, work], prefix)
}

const inTime = ['unshare', '--time', '--boottime', '100000', '--fork', '--kill-child']
const inPids = ['unshare', '--pid', '--fork', '--kill-child']
const inPidsAndProc = [...inPids, '--mount-proc']

function whyNotTime(): string | undefined {
  return whyNotNamespaces('--time', '--boottime', '100000')
}

/** The details of ERR_RING_BUSY if this thread cannot tell whether the other one lives. */
function doubtful(because: string) {
  return {
    message: expect.stringMatching(/this thread cannot tell whether that one lives: /),
    values: expect.objectContaining({ liveness: 'unknown', because }),
  }
}

describe('a thread that holds a reservation', () => {
  test('in another time namespace keeps it, and loses it when it dies', async (context) => {
    needs(context, whyNotTime())
    const { region, ring, path } = shared()
    await using child = childIn(inTime, path, 'ring-process.ts', size, 'reserve')
    expect(await child.line()).toBe('reserved')
    using impatient = attachRing(region, { patience: 5 })
    expect(() => impatient.enqueue(1)).toThrowCode('ERR_RING_BUSY', doubtful('time namespace'))
    expect(() => impatient.dequeue()).toThrowCode('ERR_RING_BUSY', doubtful('time namespace'))
    await child.kill('SIGKILL')
    // A thread with this number no longer exists.
    expect([ring.enqueue(1), ring.dequeue(), ring.dequeue()]).toEqual([true, 7, 1])
  })

  test('in another pid namespace keeps it, also when it dies', async (context) => {
    needs(context, whyNotNamespaces('--pid', '--mount-proc'))
    const { region, path } = shared()
    await using child = childIn(inPidsAndProc, path, 'ring-process.ts', size, 'reserve')
    expect(await child.line()).toBe('reserved')
    using impatient = attachRing(region, { patience: 5 })
    expect(() => impatient.enqueue(1)).toThrowCode('ERR_RING_BUSY', doubtful('pid namespace'))
    await child.kill('SIGKILL')
    expect(() => impatient.enqueue(1)).toThrowCode('ERR_RING_BUSY', doubtful('pid namespace'))
  })

  test.for([
    ['keeps it while it sees the /proc of another pid namespace', inPids, ['unshare', '--mount-proc'], {}],
    [
      'keeps it from a thread that sees the /proc of another pid namespace',
      inPidsAndProc,
      [],
      { liveness: 'unknown', because: '/proc' },
    ],
  ] as const)('%s', async ([, holding, looking, doubt], context) => {
    needs(context, whyNotNamespaces('--pid', '--mount-proc'))
    const { path } = shared()
    await using holder = childIn(holding, path, 'ring-process.ts', size, 'reserve')
    expect(await holder.line()).toBe('reserved')
    const inItsPids = ['nsenter', `--pid=/proc/${holder.pid}/ns/pid_for_children`]
    await using looker = childIn([...inItsPids, ...looking], path, 'ring-process.ts', size, 'try')
    const { thread, ...told } = JSON.parse(await looker.line())
    expect(told).toEqual({ code: 'ERR_RING_BUSY', side: 'producer', patience: 5, ...doubt })
    // The pid namespace of both threads numbers it so.
    expect(thread).toBe(1)
  })
})

test('elements of a thread in another time namespace are taken back only after its death', async (context) => {
  needs(context, whyNotTime())
  const options = { elementSize: 64, count: 200, cache: 32, tracking: 'all', patience: 30_000 } as const
  const { region, path } = sharedRegion(bufferPoolBytes(options))
  using pool = createBufferPool(region, options)
  await using child = childIn(inTime, path, 'pool-process.ts', region.size, 'hold')
  expect(await child.line()).toBe('at work')
  expect(pool.available).toBe(168)
  expect(pool.reclaimTaken()).toBe(0)
  await child.kill('SIGKILL')
  // Only unshare has ended. Its child is killed with it, and ends a moment later.
  await vi.waitFor(() => {
    pool.reclaimTaken()
    expect(pool.available).toBe(200)
  }, 10_000)
})
