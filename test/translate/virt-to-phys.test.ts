import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  basePageSize,
  inspectPage,
  openRegistrySync,
  type ProcessOptions,
  translateProcess,
  virtToPhys,
} from '../../src/index.js'
import { MemoryChild, MemoryProgram } from '../support/memory-program.js'
import { needs, whyNotPhysical } from '../support/requirements.js'
import { SwapFile, whyNotOut } from '../support/swap.js'

const program = new MemoryProgram()
const memory = openRegistrySync({ regions: { rx: { size: '4MiB', pages: ['2MiB', 'base'] } } })
const { rx } = memory.regions
afterAll(() => {
  memory.close()
  program[Symbol.dispose]()
})

const children: MemoryChild[] = []
afterEach(async () => {
  for (const child of children.splice(0)) await child[Symbol.asyncDispose]()
})

async function start(kind: 'anonymous' | 'shared', pages: number, prefix: readonly string[] = []) {
  const child = await MemoryChild.start(program, kind, pages * basePageSize, prefix)
  children.push(child)
  return child
}

const page = (number: number) => number * basePageSize

/** Checks the kernel's own files, since some kernels do not map the zero page where memory was only read. */
function whyNoZeroPage(pid: number, address: bigint): string | undefined {
  const word = (path: string, index: bigint): bigint => {
    const file = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(8)
      readSync(file, bytes, 0, 8, index * 8n)
      return bytes.readBigUInt64LE()
    } finally {
      closeSync(file)
    }
  }
  const frame = word(`/proc/${pid}/pagemap`, address / BigInt(basePageSize)) & (2n ** 55n - 1n)
  const isZeroPage = (word('/proc/kpageflags', frame) & (1n << 24n)) !== 0n // KPF_ZERO_PAGE
  return isZeroPage ? undefined : 'this kernel maps no zero page where memory is only read'
}

describe('virtToPhys in this process', () => {
  beforeEach((context) => needs(context, whyNotPhysical))

  test('returns the physical address of each byte, as the translation does', () => {
    const translation = rx.translate()
    for (let sample = 0; sample < 200; sample++) {
      const offset = Math.floor(Math.random() * rx.size)
      const physical = translation.physicalAt(offset)
      expect(virtToPhys(rx.view(offset, 1)).physicalAddress).toBe(physical)
      expect(virtToPhys(rx.address + BigInt(offset)).physicalAddress).toBe(physical)
      expect(virtToPhys(rx.address + BigInt(offset), { pid: process.pid }).physicalAddress).toBe(physical)
    }
  })

  test('accepts any view of any memory', () => {
    const buffer = new ArrayBuffer(4 * basePageSize)
    new Uint8Array(buffer).fill(1)
    const bytes = virtToPhys(new Uint8Array(buffer, 100)).physicalAddress
    expect(virtToPhys(new DataView(buffer, 100)).physicalAddress).toBe(bytes)
    expect(virtToPhys(Buffer.from(buffer, 100)).physicalAddress).toBe(bytes)
    expect(virtToPhys(new Float64Array(buffer, 104)).physicalAddress).toBe(bytes + 4)
    expect(virtToPhys(new Uint8Array(4).fill(1)).physicalAddress).toBeGreaterThan(0)
    expect(virtToPhys(Buffer.from('a small one out of the pool')).physicalAddress).toBeGreaterThan(0)
    const shared = new SharedArrayBuffer(basePageSize)
    new Uint8Array(shared).fill(1)
    expect(virtToPhys(new Uint8Array(shared)).physicalAddress).toBeGreaterThan(0)
  })

  test('reports whether a page is shared', () => {
    expect(virtToPhys(rx.bytes)).toMatchObject({ fileOrShared: true, exclusivelyMapped: true, writeProtected: false })
    using own = memory.allocateSync('own', { size: basePageSize, pages: 'base', backing: 'anonymous' })
    expect(virtToPhys(own.bytes)).toMatchObject({ fileOrShared: false, exclusivelyMapped: true })
    const code = virtToPhys(startOfFile('libc'))
    expect(code.fileOrShared).toBe(true)
  })

  test('reports pages that were written since the soft-dirty bits were cleared', (context) => {
    using own = memory.allocateSync('written', { size: page(2), pages: 'base', backing: 'anonymous' })
    writeFileSync('/proc/self/clear_refs', '4')
    own.bytes[0] = 1
    context.skip(!virtToPhys(own.bytes).softDirty, 'this kernel keeps no soft-dirty bits')
    expect(virtToPhys(own.view(basePageSize, 1)).softDirty).toBe(false)
  })

  const nowhere = [0n, 4095n, 2n ** 47n - 4096n, 2n ** 53n - 1n]
  test.each(nowhere)('reports that nothing is mapped at %d', (address) => {
    expect(() => virtToPhys(address)).toThrowCode('ERR_PAGE_ABSENT', {
      name: 'PinfoldError',
      values: expect.objectContaining({ address, pid: process.pid }),
    })
    expect(inspectPage(address)).toMatchObject({ address, state: 'absent', physicalAddress: undefined, guard: false })
  })
})

describe('virtToPhys refuses', () => {
  const detached = new Uint8Array(8)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const detachedView = new DataView(new ArrayBuffer(8))
  structuredClone(detachedView.buffer, { transfer: [detachedView.buffer] })
  const resizable: ArrayBuffer = Reflect.construct(ArrayBuffer, [16, { maxByteLength: 16 }])
  const beyond = new Uint8Array(resizable, 8, 8)
  Reflect.apply(Reflect.get(resizable, 'resize'), resizable, [4])

  const wrong: [string, unknown, unknown, string][] = [
    ['an empty view', new Uint8Array(0), undefined, 'ERR_INVALID_ARGUMENT'],
    ['a detached view', detached, undefined, 'ERR_INVALID_ARGUMENT'],
    ['a detached DataView', detachedView, undefined, 'ERR_INVALID_ARGUMENT'],
    ['a view beyond its shrunken buffer', beyond, undefined, 'ERR_INVALID_ARGUMENT'],
    ['a buffer without a view', new ArrayBuffer(8), undefined, 'ERR_INVALID_ARGUMENT'],
    ['a number', 4096, undefined, 'ERR_INVALID_ARGUMENT'],
    ['a string', '0x1000', undefined, 'ERR_INVALID_ARGUMENT'],
    ['null', null, undefined, 'ERR_INVALID_ARGUMENT'],
    ['nothing', undefined, undefined, 'ERR_INVALID_ARGUMENT'],
    ['a negative address', -1n, undefined, 'ERR_OUT_OF_RANGE'],
    ['an address of 2^53', 2n ** 53n, undefined, 'ERR_OUT_OF_RANGE'],
    ['a huge address', 2n ** 64n, undefined, 'ERR_OUT_OF_RANGE'],
    ['a view of another process', new Uint8Array(8), { pid: process.ppid }, 'ERR_INVALID_ARGUMENT'],
    ['an unknown option', 0n, { process: 1 }, 'ERR_INVALID_ARGUMENT'],
    ['options that are a number', 0n, 1, 'ERR_INVALID_ARGUMENT'],
    ['options that are null', 0n, null, 'ERR_INVALID_ARGUMENT'],
    ['pid 0', 0n, { pid: 0 }, 'ERR_INVALID_ARGUMENT'],
    ['a negative pid', 0n, { pid: -1 }, 'ERR_INVALID_ARGUMENT'],
    ['a fractional pid', 0n, { pid: 1.5 }, 'ERR_INVALID_ARGUMENT'],
    ['a pid that is text', 0n, { pid: '1' }, 'ERR_INVALID_ARGUMENT'],
    ['a pid beyond 31 bits', 0n, { pid: 2 ** 31 }, 'ERR_INVALID_ARGUMENT'],
    ['the pid of no process', 0n, { pid: 2 ** 31 - 1 }, 'ERR_PROCESS_UNKNOWN'],
  ]
  test.each(wrong)('%s', (_, where, options, code) => {
    for (const ask of [virtToPhys, inspectPage]) {
      expect(() => Reflect.apply(ask, undefined, [where, options])).toThrowCode(code, { name: 'PinfoldError' })
    }
  })
})

describe('another process', () => {
  beforeEach((context) => needs(context, whyNotPhysical))

  test('may have pages that were written, and pages that were not', async () => {
    const child = await start('anonymous', 8)
    await child.write(page(2), page(3))
    await child.read(page(6), page(1))
    const { pid, address } = child
    const at = (offset: number): [bigint, ProcessOptions] => [address + BigInt(offset), { pid }]

    expect(virtToPhys(...at(page(2) + 77)).physicalAddress % basePageSize).toBe(77)
    expect(virtToPhys(...at(page(2)))).toMatchObject({ fileOrShared: false, exclusivelyMapped: true })
    const untouched = address + BigInt(page(1) + 5)
    expect(() => virtToPhys(untouched, { pid })).toThrowCode('ERR_PAGE_ABSENT', {
      name: 'PinfoldError',
      values: expect.objectContaining({ address: untouched, pid }),
    })

    const translation = translateProcess(pid, address, page(8))
    expect(translation.states).toEqual({ present: 4, absent: 4, swapped: 0, hidden: 0 })
    const states = [...translation.pages()].map(({ state }) => state)
    expect(states).toEqual('absent absent present present present absent present absent'.split(' '))
    expect(translation.pageFlags.at(page(3)).flags).toContain('anonymous')
    expect(() => translation.pageFlags.at(0)).toThrowCode('ERR_PAGE_ABSENT', {
      name: 'PinfoldError',
      values: expect.objectContaining({ offset: 0 }),
    })
  })

  test('has the shared zero page where memory was only read', async (context) => {
    const child = await start('anonymous', 4)
    await child.write(page(0), page(2))
    await child.read(page(3), page(1))
    const { pid, address } = child
    needs(context, whyNoZeroPage(pid, address + BigInt(page(3))))

    const translation = translateProcess(pid, address, page(4))
    expect([...translation.pages()][3]?.exclusivelyMapped).toBe(false)
    expect(translation.pageFlags.at(page(3)).flags).toContain('zeroPage')
    expect(translation.pageFlags.counts).toMatchObject({ zeroPage: 1, anonymous: 2 })
  })

  test('is translated in runs that are cut to the range, with gaps for absent pages', async () => {
    const child = await start('anonymous', 1024)
    await child.advise(0, page(1024), 'hugepage')
    await child.write(page(512), page(512))
    const { pid, address } = child
    const from = address + BigInt(page(500) + 9)
    const translation = translateProcess(pid, from, page(20))
    expect(translation).toMatchObject({ pid, address: from, length: page(20), pageSize: basePageSize, pageCount: 21 })

    const runs = translation.runs()
    expect(runs[0]?.address).toBe(address + BigInt(page(512)))
    const last = runs.at(-1)
    expect((last?.address ?? 0n) + BigInt(last?.length ?? 0)).toBe(from + BigInt(page(20)))
    for (const run of runs) {
      expect(run.physicalAddress).toBe(virtToPhys(run.address, { pid }).physicalAddress)
      const end = run.address + BigInt(run.length) - 1n
      expect(run.physicalAddress + run.length - 1).toBe(virtToPhys(end, { pid }).physicalAddress)
    }
    const [one, ...none] = translateProcess(pid, address + BigInt(page(700) + 1), 1).runs()
    expect(one).toMatchObject({ address: address + BigInt(page(700) + 1), length: 1 })
    expect(none).toEqual([])
    expect(translateProcess(pid, address, page(512)).runs()).toEqual([])
  })

  test('may have swapped pages, whose place in swap is reported', async (context) => {
    using swap = new SwapFile()
    needs(context, swap.problem)
    const child = await start('anonymous', 4)
    await child.write(0, page(4))
    await child.advise(page(1), page(2), 'pageOut')
    const { pid, address } = child
    const swapped = address + BigInt(page(1) + 3)
    const inspected = inspectPage(swapped, { pid })
    needs(context, inspected.state === 'present' ? whyNotOut : undefined)
    expect(inspected).toMatchObject({ address: swapped, state: 'swapped', physicalAddress: undefined })
    expect(inspected.swap?.slot).toBeGreaterThan(0)
    expect(() => virtToPhys(swapped, { pid })).toThrowCode('ERR_PAGE_SWAPPED', {
      name: 'PinfoldError',
      values: expect.objectContaining({ address: swapped, pid }),
    })
    expect(translateProcess(pid, address, page(4)).states).toMatchObject({ present: 2, swapped: 2 })

    await child.read(page(1), page(2))
    expect(virtToPhys(swapped, { pid }).physicalAddress % basePageSize).toBe(3)
    // The child must end first, so that swapoff has nothing to read back.
    await child[Symbol.asyncDispose]()
  })

  test('may have guard pages and write-protected pages', async (context) => {
    const child = await start('anonymous', 4)
    await child.write(0, page(4))
    const { pid, address } = child
    const guarded = await child.advise(page(1), page(1), 'guard')
    const guard = inspectPage(address + BigInt(page(1)), { pid })
    if (guarded === 0) expect(guard).toMatchObject({ state: 'absent', physicalAddress: undefined })
    const protectedWith = await child.protect(page(2), page(1))
    context.skip(protectedWith !== 0, `userfaultfd cannot write-protect here: errno ${protectedWith}`)
    expect(virtToPhys(address + BigInt(page(2)), { pid }).writeProtected).toBe(true)
    expect(virtToPhys(address + BigInt(page(3)), { pid }).writeProtected).toBe(false)
    context.skip(!guard.guard, 'this kernel does not show guard pages in pagemap (Linux 6.15)')
    expect(inspectPage(address, { pid }).guard).toBe(false)
  })

  test('may have memory that it could share', async () => {
    const child = await start('shared', 2)
    await child.write(0, page(2))
    expect(virtToPhys(child.address, { pid: child.pid })).toMatchObject({ fileOrShared: true, exclusivelyMapped: true })
  })

  test('is unknown after it has ended', async () => {
    const child = await start('anonymous', 1)
    const { pid, address } = child
    await child[Symbol.asyncDispose]()
    expect(() => virtToPhys(address, { pid })).toThrowCode('ERR_PROCESS_UNKNOWN', {
      name: 'PinfoldError',
      values: expect.objectContaining({ pid }),
    })
    expect(() => inspectPage(address, { pid })).toThrowCode('ERR_PROCESS_UNKNOWN', {
      name: 'PinfoldError',
      values: expect.objectContaining({ pid }),
    })
    expect(() => translateProcess(pid, address, 1)).toThrowCode('ERR_PROCESS_UNKNOWN', {
      name: 'PinfoldError',
      values: expect.objectContaining({ pid }),
    })
  })

  test('is unknown if it is a kernel thread', ({ skip }) => {
    const pid = ofKernelThread()
    if (pid === undefined) return skip('no kernel thread is seen here')
    expect(() => virtToPhys(4096n, { pid })).toThrowCode('ERR_PROCESS_UNKNOWN', { name: 'PinfoldError' })
  })

  test.each([
    ['a length of 0', 1, 4096n, 0, 'ERR_OUT_OF_RANGE'],
    ['a negative length', 1, 4096n, -1, 'ERR_OUT_OF_RANGE'],
    ['a fractional length', 1, 4096n, 0.5, 'ERR_OUT_OF_RANGE'],
    ['more than 2^22 pages', 1, 4096n, page(2 ** 22) + 1, 'ERR_OUT_OF_RANGE'],
    ['the end of the address space', 1, 2n ** 53n - 4096n, 8192, 'ERR_OUT_OF_RANGE'],
    ['an address that is a number', 1, 4096, 1, 'ERR_INVALID_ARGUMENT'],
    ['a wrong pid', 0.5, 4096n, 1, 'ERR_INVALID_ARGUMENT'],
    ['the pid of no process', 2 ** 31 - 1, 4096n, 1, 'ERR_PROCESS_UNKNOWN'],
  ])('is not translated with %s', (_, pid, address, length, code) => {
    expect(() => Reflect.apply(translateProcess, undefined, [pid, address, length])).toThrowCode(code, {
      name: 'PinfoldError',
    })
  })

  test('is translated in a bounded amount of memory, whatever the range', () => {
    const whole = translateProcess(process.pid, 0n, page(2 ** 22))
    expect(whole.pageCount).toBe(2 ** 22)
    expect(whole.states.present + whole.states.absent + whole.states.swapped).toBe(2 ** 22)
  })
})

/** The address at which a file is mapped as code in this process. */
function startOfFile(name: string): bigint {
  const line = readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .find((one) => one.includes(name) && one.includes(' r-xp '))
  return BigInt(`0x${line?.split('-')[0]}`)
}

/** The pid of a kernel thread; undefined in a container, which does not see them. */
function ofKernelThread(): number | undefined {
  const comm = '/proc/2/comm'
  return existsSync(comm) && readFileSync(comm, 'latin1') === 'kthreadd\n' ? 2 : undefined
}
