import { describe, expect, test, vi } from 'vitest'
import { attachRing, bufferPoolBytes, createBufferPool, createRing, openRegistrySync } from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { Child } from '../support/child-process.js'
import { kept } from '../support/registries.js'
import { needs, whyNotNamespaces } from '../support/requirements.js'
import { descriptorPath } from '../support/shared-memory.js'

// Whether a thread of another process lives is read from /proc, which does not show every process the same. The other
// process has the memory by a descriptor that it is born with, since /proc may show it no other.

const size = 4 * basePageSize

function shared() {
  const region = kept(openRegistrySync()).allocateSync('ring-shared', { size, pages: 'base' })
  const ring = createRing(region, { count: 512, patience: 30_000 })
  ring.enqueue(7)
  return { region, ring, path: descriptorPath('ring-shared') }
}

/** A child that is run by `command`, and has the memory of `path` as its descriptor 9. */
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

function busy(because: string) {
  return expect.objectContaining({
    code: 'ERR_RING_BUSY',
    message: expect.stringMatching(/this thread cannot tell whether that one lives: /),
    values: expect.objectContaining({ liveness: 'unknown', because }),
  })
}

describe('a thread that has a reservation', () => {
  test('in another time namespace keeps it, and loses it when it dies', async (context) => {
    needs(context, whyNotTime())
    const { region, ring, path } = shared()
    await using child = childIn(inTime, path, 'ring-process.ts', size, 'reserve')
    expect(await child.line()).toBe('reserved')
    using impatient = attachRing(region, { patience: 5 })
    expect(() => impatient.enqueue(1)).toThrow(busy('time namespace'))
    expect(() => impatient.dequeue()).toThrow(busy('time namespace'))
    await child.kill('SIGKILL')
    // No thread has its number any more.
    expect([ring.enqueue(1), ring.dequeue(), ring.dequeue()]).toEqual([true, 7, 1])
  })

  test('in another pid namespace keeps it, also when it dies', async (context) => {
    needs(context, whyNotNamespaces('--pid', '--mount-proc'))
    const { region, path } = shared()
    await using child = childIn(inPidsAndProc, path, 'ring-process.ts', size, 'reserve')
    expect(await child.line()).toBe('reserved')
    using impatient = attachRing(region, { patience: 5 })
    expect(() => impatient.enqueue(1)).toThrow(busy('pid namespace'))
    await child.kill('SIGKILL')
    expect(() => impatient.enqueue(1)).toThrow(busy('pid namespace'))
  })

  test.for([
    ['while it sees the /proc of another pid namespace, keeps it', inPids, ['unshare', '--mount-proc'], {}],
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
    // As the pid namespace of both counts.
    expect(thread).toBe(1)
  })
})

test('what a thread of another time namespace has taken of a pool is taken back only when it is dead', async (context) => {
  needs(context, whyNotTime())
  const options = { elementSize: 64, count: 200, cache: 32, tracking: 'all', patience: 30_000 } as const
  const region = kept(openRegistrySync()).allocateSync('pool-shared', { size: bufferPoolBytes(options), pages: 'base' })
  using pool = createBufferPool(region, options)
  const path = descriptorPath('pool-shared')
  await using child = childIn(inTime, path, 'pool-process.ts', region.size, 'hold')
  expect(await child.line()).toBe('at work')
  expect(pool.available).toBe(168)
  expect(pool.reclaimTaken()).toBe(0)
  await child.kill('SIGKILL')
  // It is unshare that has ended. Its child is killed with it, and ends a moment later.
  await vi.waitFor(() => {
    pool.reclaimTaken()
    expect(pool.available).toBe(200)
  }, 10_000)
})
