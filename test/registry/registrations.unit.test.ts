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
  const registrations = new Registrations()
  const [a, b] = [coreOf(memory.regions.a), coreOf(memory.regions.b)]
  const register = (label: string, core: typeof a) => {
    const made = mapping(label, log)
    const release = core.hold(label)
    made.onClose(release)
    registrations.add(made, () => ({ core, offset: 0, length: 4096, release }))
    return made
  }
  const first = register('VFIO mapping 1', a)
  const second = register('AF_XDP memory 2', a)
  const third = register('VFIO mapping 3', b)
  const ofNoRegion = mapping('null registration 4', log)
  registrations.add(ofNoRegion, () => undefined)

  expect(registrations.list()).toEqual([first, second, third, ofNoRegion])
  expect(registrations.list(a)).toEqual([first, second])
  expect(a.holders()).toEqual(['VFIO mapping 1', 'AF_XDP memory 2'])
  expect(a.holders(registrations.holds)).toEqual([])
  second.close({ force: true })
  expect([registrations.count, registrations.list(a)]).toEqual([3, [first]])
  registrations.close()
  expect(log).toEqual(
    ['AF_XDP memory 2', 'null registration 4', 'VFIO mapping 3', 'VFIO mapping 1'].map(
      (label) => `${label} and all on it`,
    ),
  )
  expect([registrations.count, a.holders(), b.holders()]).toEqual([0, [], []])
})
