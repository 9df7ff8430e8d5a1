import { expect, test } from 'vitest'
import { openRegistrySync } from '../../src/index.js'
import { coreOf } from '../../src/memory/region-memory.js'
import { Registrations } from '../../src/registry/registrations.js'

/** A registration with something that is not an RDMA device. */
function mapping(label: string, log: string[]) {
  const listeners: (() => void)[] = []
  let closed = false
  return {
    label,
    get closed() {
      return closed
    },
    close({ force }: { readonly force: true }) {
      if (closed) return
      closed = true
      log.push(`${label}${force ? ' and all on it' : ''}`)
      for (const listener of listeners) listener()
    },
    onClose(listener: () => void) {
      listeners.push(listener)
    },
  }
}

test('registrations of any kind are listed by region, hold it, and are closed with the newest first', () => {
  using memory = openRegistrySync({
    regions: { a: { size: '64KiB', pages: 'base' }, b: { size: '64KiB', pages: 'base' } },
  })
  const log: string[] = []
  const [a, b] = [coreOf(memory.regions.a), coreOf(memory.regions.b)]
  const registrations = new Registrations((core) => core === a)
  const exchanges = new Map<unknown, (core: typeof a) => void>()
  const register = (label: string, core: typeof a) => {
    const made = mapping(label, log)
    let release = core.hold(label)
    made.onClose(() => release())
    registrations.add(made, (listener) => {
      exchanges.set(made, (to) => {
        const ended = release
        release = to.hold(label)
        ended()
        listener({ core: to, offset: 0, length: 4096, release })
      })
      listener({ core, offset: 0, length: 4096, release })
    })
    return made
  }
  const first = register('VFIO mapping 1', a)
  const second = register('AF_XDP memory 2', a)
  const third = register('VFIO mapping 3', b)
  const ofNoRegion = mapping('null registration 4', log)
  registrations.add(ofNoRegion, () => {})

  expect(registrations.list()).toEqual([first, second, third, ofNoRegion])
  expect(registrations.list(a)).toEqual([first, second])
  expect(a.holds.reasons('all').names).toEqual(['VFIO mapping 1', 'AF_XDP memory 2'])
  // Those of another registry's region delay the close of that registry.
  expect([a, b].map(({ holds }) => holds.count('of the program'))).toEqual([0, 1])
  exchanges.get(first)?.(b)
  expect([registrations.list(a), registrations.list(b)]).toEqual([[second], [first, third]])
  exchanges.get(first)?.(a)
  expect([registrations.list(a), registrations.list(b)]).toEqual([[first, second], [third]])
  expect(a.holds.count('all') - a.holds.count('of the program')).toBe(2)
  second.close({ force: true })
  expect([registrations.count, registrations.list(a)]).toEqual([3, [first]])
  registrations.close()
  expect(log).toEqual(
    ['AF_XDP memory 2', 'null registration 4', 'VFIO mapping 3', 'VFIO mapping 1'].map(
      (label) => `${label} and all on it`,
    ),
  )
  expect([registrations.count, a.holds.reasons('all').names, b.holds.reasons('all').names]).toEqual([0, [], []])
})
