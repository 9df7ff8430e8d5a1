import { ftruncateSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { borrowHugepages } from '../../src/hugepages/index.js'
import { openDevice, openRegistrySync, parseRemoteMemory, type RegionOptions } from '../../src/index.js'
import { MiB } from '../../src/sizes.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { Program } from '../support/child-process.js'
import { mountHugetlbfs } from '../support/hugepage-pools.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { MemoryProgram } from '../support/memory-program.js'
import { needs, whyNotPhysical, whyNotPools } from '../support/requirements.js'
import { opened, sharedFile, sharedRegion } from '../support/shared-memory.js'

// Memory of another owner: the memfd of another program, or a file on a hugetlbfs or tmpfs mount.

const memory = openRegistrySync()
const program = new MemoryProgram()
afterAll(() => {
  program[Symbol.dispose]()
  memory.close()
  expect(mappedRegions()).toEqual([])
})

/** Another program that owns a memfd, and this process's descriptor of it. */
async function memfdOwner(size: number) {
  const owner = new Program([program.path, 'memfd', `${size}`])
  return { owner, descriptor: opened(`/proc/${owner.pid}/fd/${await owner.line()}`) }
}

describe('adopted memory', () => {
  test('is the same memory, at the same physical addresses, and stays when its maker closes it', (context) => {
    const { region: made, path } = sharedRegion(8 * basePageSize, memory)
    made.bytes.fill(3)
    const backing = { descriptor: opened(path), offset: 2 * basePageSize, mayShrink: true }
    using adopted = memory.allocateSync('adopted', { size: 4 * basePageSize, backing })
    expect([adopted.pages, adopted.size]).toEqual(['base', 4 * basePageSize])
    expect(adopted.bytes.every((byte) => byte === 3)).toBe(true)
    adopted.bytes[0] = 9
    expect(made.bytes[2 * basePageSize]).toBe(9)
    if (whyNotPhysical === undefined) {
      expect(adopted.translate().physicalAt(0)).toBe(made.translate().physicalAt(2 * basePageSize))
    }
    made.close()
    expect(adopted.bytes[0]).toBe(9)
    needs(context, whyNotPhysical)
  })

  test('is registered like any other memory, and its maker reads the bytes that a device writes', async () => {
    const shared = sharedRegion(MiB, memory)
    using made = shared.region
    const backing = { descriptor: opened(shared.path), mayShrink: true }
    using adopted = await memory.allocate('adopted', { size: MiB, backing })
    using source = memory.allocateSync('source', { size: basePageSize, pages: 'base' })
    const device = openDevice({ loopback: true })
    onTestFinished(() => device.close({ force: true }))
    const domain = device.createDomain()
    const sendQueue = device.createCompletionQueue({ entries: 128 })
    const queuePair = domain.createQueuePair({ sendQueue })
    queuePair.connect(queuePair.describe(), { access: ['remoteWrite'] })
    using from = memory.registerSync(source, domain, [])
    using to = memory.registerSync(adopted.slice(7, 4000), domain, ['localWrite', 'remoteWrite'])
    expect(() => adopted.close()).toThrowCode('ERR_REGION_HELD')

    source.bytes.fill(6)
    const remote = parseRemoteMemory(to.describe())
    queuePair.post({ operation: 'write', memory: from.slice(0, 4000), remote: remote.slice(0, 4000) })
    const [done] = await sendQueue.wait()
    expect(done?.ok).toBe(true)
    expect([6, 7, 4006, 4007].map((at) => made.bytes[at])).toEqual([0, 6, 6, 0])
  })

  test('of another process is opened through /proc/<pid>/fd, and outlives that process', async () => {
    const { owner, descriptor } = await memfdOwner(4 * basePageSize)
    await using child = owner
    using adopted = memory.allocateSync('theirs', { size: 4 * basePageSize, backing: { descriptor } })
    expect(Buffer.from(adopted.view(0, 5)).toString('latin1')).toBe('hello')
    adopted.bytes.set(Buffer.from('world'))
    child.say('read')
    expect(await child.line()).toBe('world')
    await child.kill('SIGKILL')
    expect(Buffer.from(adopted.view(0, 5)).toString('latin1')).toBe('world')
  })

  test('can no longer be shrunk under the region', async () => {
    const { owner, descriptor } = await memfdOwner(2 * basePageSize)
    await using _owner = owner
    using adopted = memory.allocateSync('adopted', { size: 2 * basePageSize, backing: { descriptor } })
    expect(() => ftruncateSync(descriptor, 0)).toThrow(/EPERM/)
    expect(adopted.bytes[2 * basePageSize - 1]).toBe(0)
  })

  test('that cannot be sealed is refused, unless the caller sets `mayShrink`', () => {
    const size = 2 * basePageSize
    const path = sharedFile(size)
    writeFileSync(path, Buffer.alloc(size, 5))
    const descriptor = opened(path)
    expect(() => memory.allocateSync('shared', { size, backing: { descriptor } })).toThrowCode('ERR_UNSUPPORTED', {
      syscall: 'fcntl',
      values: { descriptor },
    })
    using shared = memory.allocateSync('shared', { size, backing: { descriptor, mayShrink: true } })
    expect(shared.bytes.every((byte) => byte === 5)).toBe(true)
  })

  test('on a hugetlbfs mount uses the pages of the mount', (context) => {
    needs(context, whyNotPools())
    const loan = borrowHugepages({ pageSize: '2MiB', pages: 2 })
    onTestFinished(() => loan.giveBack())
    const mount = mountHugetlbfs(context, 2 * MiB)
    const file = `${mount}/theirs`
    const made = memory.allocateSync('made', { size: 4 * MiB, pages: '2MiB', backing: { file, keep: true } })
    made.bytes.fill(8)
    const backing = { descriptor: opened(file), offset: 2 * MiB, mayShrink: true }
    using adopted = memory.allocateSync('adopted', { size: 2 * MiB, backing })
    expect([adopted.pages, adopted.hugeShare, adopted.bytes[0]]).toEqual(['2MiB', 1, 8])
    const refused = { code: 'ERR_INVALID_ARGUMENT' }
    for (const wrong of [{ pages: 'base' }, { size: MiB, backing: { ...backing, offset: basePageSize } }]) {
      const options = { size: 2 * MiB, backing, ...wrong }
      expect(() => memory.allocateSync('wrong', options)).toThrow(expect.objectContaining(refused))
    }
    made.close()
    rmSync(file)
  })
})

describe('memory that cannot be adopted leaves nothing:', () => {
  interface Wrong {
    readonly code: string
    readonly said: RegExp
    readonly options: (context: TestContext) => Partial<RegionOptions>
  }
  const size = 2 * basePageSize
  const shared = (flags?: string) => ({ descriptor: opened(sharedFile(size), flags), mayShrink: true })
  const ordinary = () => {
    const folder = mkdtempSync(`${tmpdir()}/pinfold-ordinary-`)
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(`${folder}/text`, Buffer.alloc(size))
    return opened(`${folder}/text`)
  }
  const wrong: Readonly<Record<string, Wrong>> = {
    'a number that is not a descriptor': {
      code: 'ERR_INVALID_ARGUMENT',
      said: /9999 is no open file descriptor/,
      options: () => ({ backing: { descriptor: 9999 } }),
    },
    'a descriptor that is open for reading only': {
      code: 'ERR_PERMISSION',
      said: /is not open for reading and writing/,
      options: () => ({ backing: shared('r') }),
    },
    'an ordinary file': {
      code: 'ERR_INVALID_ARGUMENT',
      said: /is no memory|has less/,
      options: () => ({ backing: { descriptor: ordinary() } }),
    },
    'a device': {
      code: 'ERR_INVALID_ARGUMENT',
      said: /is no memory/,
      options: () => ({ backing: { descriptor: opened('/dev/zero') } }),
    },
    'more bytes than it contains': {
      code: 'ERR_INVALID_ARGUMENT',
      said: /has 8KiB, less than offset 4KiB and size together/,
      options: () => ({ backing: { ...shared(), offset: basePageSize } }),
    },
    'an offset beyond its end': {
      code: 'ERR_INVALID_ARGUMENT',
      said: /less than offset/,
      options: () => ({ backing: { ...shared(), offset: 2 ** 50 } }),
    },
    'an offset inside of a page': {
      code: 'ERR_INVALID_ARGUMENT',
      said: /offset: expected a multiple of 4KiB, received 7/,
      options: () => ({ backing: { ...shared(), offset: 7 } }),
    },
    'hugetlb pages of memory with base pages': {
      code: 'ERR_INVALID_ARGUMENT',
      said: /has base pages, not 2MiB/,
      options: () => ({ pages: '2MiB', size: 2 * MiB, backing: shared() }),
    },
  }

  test.for(Object.entries(wrong))('%s', async ([, { code, said, options }], context) => {
    const backing = options(context)
    const before = [readdirSync('/proc/self/fd').length, mappedRegions().length, memory.list().length]
    expect(() => memory.allocateSync('wrong', { size, ...backing })).toThrowCode(code, {
      message: expect.stringMatching(said),
    })
    await expect(memory.allocate('wrong', { size, ...backing })).rejects.toThrowCode(code, {
      message: expect.stringMatching(said),
    })
    expect([readdirSync('/proc/self/fd').length, mappedRegions().length, memory.list().length]).toEqual(before)
  })
})
