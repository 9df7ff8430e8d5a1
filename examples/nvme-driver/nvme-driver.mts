// An NVMe driver. Its queues, its PRP lists and its data lie in one region. The PRP lists are made of the region's
// translation, and no doorbell rings before the driver has verified that no page has moved.
import { setImmediate } from 'node:timers/promises'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { formatSize, type NvmePrpList, nvmePrpList, openRegistry, type Region, type Translation } from 'pinfold'
import {
  block,
  entries,
  opcodes,
  page,
  phaseOf,
  registers,
  runController,
  statuses,
  words32,
  words64,
} from './controller.mts'

const commands = 8 // which can be under way at a time, each with so many pages for its PRP list:
const listPages = 4
// Offsets in the region.
const [submissions, completions, lists, data] = [0, page, 2 * page, (2 + commands * listPages) * page]
const half = 9 * 2 ** 20 // of the data: what is written, and what is read back

class Driver {
  /** How often a command was made anew, since pages had moved. */
  moves = 0
  readonly #region: Region
  readonly #registers: BigInt64Array
  readonly #free = Array.from({ length: commands }, (_, id) => id)
  readonly #statuses = new Map<number, number>()
  #where: Translation
  #tail = 0
  #completed = 0
  #failure: unknown

  constructor(region: Region, controller: Worker, registerMemory: SharedArrayBuffer) {
    this.#region = region
    this.#registers = new BigInt64Array(registerMemory)
    this.#where = this.#locate()
    controller.once('error', (error) => (this.#failure = error))
  }

  /** The number of contiguous stretches of memory that the region consists of. */
  get runs(): number {
    return this.#where.runs().length
  }

  /** Tells the controller where the queues are. A real controller is disabled while the driver does so. */
  #locate(): Translation {
    let where = this.#region.translate()
    while (where.states.swapped + where.states.absent > 0) {
      // These pages are being moved, or are swapped out. A page that is read is there again.
      for (let at = 0; at < this.#region.size; at += page) Atomics.load(this.#region.bytes, at)
      where = this.#region.translate()
    }
    this.#registers[registers.submissionQueue] = BigInt(where.physicalAt(submissions))
    this.#registers[registers.completionQueue] = BigInt(where.physicalAt(completions))
    return where
  }

  /** Moves `length` bytes between the blocks from `first` on and the region. `offset` is a multiple of 4. */
  async run(operation: keyof typeof opcodes, first: number, offset: number, length: number): Promise<NvmePrpList> {
    const id = this.#free.pop()
    if (id === undefined) throw new Error(`${commands} commands are under way: no more can be`)
    try {
      const prp = this.#submit(id, opcodes[operation], first, offset, length)
      const status = await this.#completion(id)
      if (status === 0) return prp
      throw new Error(`${operation} of ${length} bytes at block ${first}: ${statuses[status] ?? `status ${status}`}`)
    } finally {
      this.#free.push(id)
    }
  }

  #submit(id: number, opcode: number, first: number, offset: number, length: number): NvmePrpList {
    const ownLists = Array.from({ length: listPages }, (_, number) => lists + (id * listPages + number) * page)
    for (;;) {
      const addresses = ownLists.map((list) => this.#where.physicalAt(list))
      const runs = this.#where.runs({ within: [offset, length] })
      const prp = nvmePrpList(runs, { memoryPageSize: page, listPages: addresses })
      for (const [number, { words }] of prp.list.entries())
        words64(this.#region.view(ownLists[number] ?? 0, page)).set(words)
      const entry = this.#region.view(submissions + this.#tail * 64, 64).fill(0)
      words32(entry).set([opcode | (id << 16), 1]) // of namespace 1
      words64(entry).set([prp.prp1, prp.prp2 ?? 0n], 3)
      words32(entry).set([first, 0, length / block - 1], 10)
      if (this.#where.verify().intact) {
        this.#tail = (this.#tail + 1) % entries
        Atomics.store(this.#registers, registers.submissionTail, BigInt(this.#tail))
        Atomics.notify(this.#registers, registers.submissionTail)
        return prp
      }
      this.moves += 1
      this.#where = this.#locate()
    }
  }

  async #completion(id: number): Promise<number> {
    for (const late = performance.now() + 10_000; performance.now() < late; await setImmediate()) {
      const entry = this.#region.view(completions + (this.#completed % entries) * 16, 16)
      const word = Atomics.load(words32(entry), 3)
      if (((word >>> 16) & 1) === phaseOf(this.#completed)) {
        this.#statuses.set(word & 0xffff, word >>> 17)
        this.#completed += 1
      }
      const status = this.#statuses.get(id)
      if (this.#statuses.delete(id)) return status ?? 0
      if (this.#failure !== undefined) throw this.#failure
    }
    throw new Error(`the controller has not completed command ${id} within 10 s`)
  }
}

async function main(pages = '2MiB,transparent,base'): Promise<void> {
  using memory = await openRegistry()
  const region = await memory.allocate('nvme', { size: data + 2 * half, pages: pages.split(',') })
  using _ = region.hold('the controller') // so that nobody closes the region before the controller has ended
  const registerMemory = new SharedArrayBuffer(8 * Object.keys(registers).length)
  const controller = new Worker(new URL(import.meta.url), { workerData: { handle: region.handle, registerMemory } })
  try {
    const driver = new Driver(region, controller, registerMemory)
    const ours = region.view(data, half).map((_, at) => at * 7 + (at >>> 12))
    region.view(data, half).set(ours)
    console.log(`${region.pages} pages in ${driver.runs} physical runs`)
    // Four pieces, one behind the other: all of them start inside a page.
    const pieces = [1, 16, 512, 8192].map((blocks) => ({
      first: blocks,
      offset: data + (blocks + 1) * block,
      length: blocks * block,
    }))
    for (const { first, offset, length } of pieces) {
      const { entries, listPagesNeeded } = await driver.run('write', first, offset, length)
      console.log(`wrote ${formatSize(length)}: ${entries} PRP entries, ${listPagesNeeded} pages of PRP list`)
    }
    // All four at a time, to the other half.
    await Promise.all(pieces.map(({ first, offset, length }) => driver.run('read', first, offset + half, length)))
    for (const { offset, length } of pieces) {
      const isSame =
        Buffer.compare(region.view(offset + half, length), ours.subarray(offset - data, offset - data + length)) === 0
      if (!isSame) throw new Error(`${length} bytes at ${offset} were read back, and differ`)
    }
    console.log(`read them back, ${pieces.length} commands at a time: all bytes are the same`)
    await driver.run('read', 1e6, data, block).catch((error) => console.log(`refused: ${error.message}`))
    console.log(`${driver.moves} commands were made anew, since pages had moved before the doorbell`)
  } finally {
    await controller.terminate()
  }
}

if (isMainThread) await main(process.argv[2])
else runController(workerData)
