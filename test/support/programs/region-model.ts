import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import type { RegionHandle } from '../../../src/index.js'
import { native } from '../../../src/native.js'
import { basePageSize } from '../../../src/system/page-sizes.js'
import { compiled } from '../compiled-program.js'
import { type Act, Actor, type Outcome } from './region-actor.js'

// Several threads allocate, attach, view, slice, hold, translate and close at random, one step at a time, and some die.
// A model knows what each thread must see. Arguments: the seed, milliseconds, and the path of a failure to replay.

const [seed, limit, path] = process.argv.slice(2)
const threadCount = 4
const program = compiled('region-model-worker.ts')

// This process itself reports the name of a step that never ends.
let current = 'the start'
setTimeout(() => {
  console.error(`hung in ${current}`)
  process.exit(3)
}, Number(limit) + 25_000).unref()

/** A thread that carries out acts. The first is this thread. */
interface Thread {
  act(act: Act): Promise<Outcome>
  /** Ends the thread, whatever it has open, and starts another in its place. */
  replace(): Promise<void>
}

class OwnThread implements Thread {
  #actor = new Actor()

  act(act: Act): Promise<Outcome> {
    return this.#actor.act(act)
  }

  async replace(): Promise<void> {
    this.#actor.end()
    this.#actor = new Actor()
  }
}

class WorkerThread implements Thread {
  #worker = this.#start()

  #start(): Worker {
    return new Worker(program)
  }

  async ready(): Promise<this> {
    const [word] = await once(this.#worker, 'message')
    assert.equal(word, 'ready')
    return this
  }

  async act(act: Act): Promise<Outcome> {
    const answer = once(this.#worker, 'message')
    this.#worker.postMessage(act)
    const [outcome]: Outcome[] = await answer
    return outcome ?? {}
  }

  async replace(): Promise<void> {
    await this.end()
    this.#worker = this.#start()
    await this.ready()
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** The state of a region that all threads must see. */
interface Memory {
  readonly name: string
  readonly backing: string
  readonly handle: RegionHandle
  readonly content: Uint8Array
}

/** A Region object of one thread. */
interface Attachment {
  readonly number: number
  readonly thread: number
  readonly memory: Memory
  readonly holds: Set<number>
  views: number
}

class Model {
  readonly attachments: Attachment[] = []
  /** The handles of regions that are closed in every thread. */
  readonly stale: RegionHandle[] = []
  next = 1

  get open(): Memory[] {
    return [...new Set(this.attachments.map(({ memory }) => memory))]
  }

  at(which: number): Attachment | undefined {
    return this.attachments[which % (this.attachments.length || 1)]
  }

  remove(lost: (attachment: Attachment) => boolean): void {
    const before = this.open
    const kept = this.attachments.filter((attachment) => !lost(attachment))
    this.attachments.splice(0, this.attachments.length, ...kept)
    for (const memory of before) if (!this.open.includes(memory)) this.stale.push(memory.handle)
  }
}

/** The names of mapped memfd regions. (Not every kernel names the other regions.) */
function memfds(): string[] {
  const maps = readFileSync('/proc/self/maps', 'latin1')
  return [...new Set([...maps.matchAll(/\/memfd:pinfold:(\S+)/g)].map(([, name = '']) => name))].sort()
}

abstract class Step implements fc.AsyncCommand<Model, readonly Thread[]> {
  check = () => true
  abstract go(model: Model, threads: readonly Thread[]): Promise<void>
  async run(model: Model, threads: readonly Thread[]): Promise<void> {
    current = this.toString()
    await this.go(model, threads)
    assert.equal(native.tableCounts().live, model.open.length)
    const shared = model.open.filter(({ backing }) => backing === 'memfd')
    assert.deepEqual(memfds(), shared.map(({ name }) => name).sort())
  }
  toString = () => `${this.constructor.name} ${JSON.stringify(this)}`
}

class Allocate extends Step {
  constructor(
    readonly thread: number,
    readonly pages: number,
    readonly kind: string,
    readonly backing: string,
    readonly wait: boolean,
  ) {
    super()
  }
  async go(model: Model, threads: readonly Thread[]): Promise<void> {
    if (model.attachments.length > 12) return
    const number = model.next++
    const [name, size] = [`model-${number}`, this.pages * basePageSize]
    const options = { size, pages: this.kind, backing: this.backing }
    const act: Act = { do: 'allocate', region: number, name, options, wait: this.wait }
    const { handle, code } = (await threads[this.thread]?.act(act)) ?? {}
    assert.ok(handle, `allocate: ${code}`)
    const memory = { name, backing: this.backing, handle, content: new Uint8Array(size) }
    model.attachments.push({ number, thread: this.thread, memory, holds: new Set(), views: 0 })
  }
}

class Attach extends Step {
  constructor(
    readonly thread: number,
    readonly which: number,
  ) {
    super()
  }
  async go(model: Model, threads: readonly Thread[]): Promise<void> {
    const found = model.at(this.which)
    if (found === undefined) return
    const { memory } = found
    const number = model.next++
    const outcome = await threads[this.thread]?.act({ do: 'attach', region: number, handle: memory.handle })
    assert.deepEqual(outcome?.handle, memory.handle)
    model.attachments.push({ number, thread: this.thread, memory, holds: new Set(), views: 0 })
  }
}

class AttachStale extends Step {
  constructor(
    readonly thread: number,
    readonly which: number,
  ) {
    super()
  }
  async go(model: Model, threads: readonly Thread[]): Promise<void> {
    const handle = model.stale[this.which % (model.stale.length || 1)]
    if (handle === undefined) return
    const outcome = await threads[this.thread]?.act({ do: 'attach', region: model.next++, handle })
    assert.equal(outcome?.code, 'ERR_REGION_UNKNOWN')
  }
}

/** A step on one Region of one thread. */
abstract class OnRegion extends Step {
  constructor(
    readonly which: number,
    readonly from: number,
    readonly part: number,
    readonly byte: number,
  ) {
    super()
  }
  async go(model: Model, threads: readonly Thread[]): Promise<void> {
    const attachment = model.at(this.which)
    const thread = threads[attachment?.thread ?? 0]
    if (attachment === undefined || thread === undefined) return
    const size = attachment.memory.content.length
    const offset = Math.floor(this.from * size)
    const length = Math.floor(this.part * (size - offset))
    await this.on(attachment, (act) => thread.act(act), { offset, length }, model)
  }
  abstract on(
    attachment: Attachment,
    tell: (act: Act) => Promise<Outcome>,
    range: { offset: number; length: number },
    model: Model,
  ): Promise<void>
}

class Fill extends OnRegion {
  async on(attachment: Attachment, tell: (act: Act) => Promise<Outcome>, range: { offset: number; length: number }) {
    const { memory, number: region } = attachment
    assert.deepEqual(await tell({ do: 'fill', region, ...range, byte: this.byte }), {})
    memory.content.fill(this.byte, range.offset, range.offset + range.length)
    attachment.views++
  }
}

class Read extends OnRegion {
  async on(attachment: Attachment, tell: (act: Act) => Promise<Outcome>, range: { offset: number; length: number }) {
    const through = (['view', 'bytes', 'slice'] as const)[this.byte % 3] ?? 'view'
    const { bytes } = await tell({ do: 'read', region: attachment.number, ...range, through })
    const expected = attachment.memory.content.subarray(range.offset, range.offset + range.length)
    assert.ok(bytes !== undefined && Buffer.compare(bytes, expected) === 0, `${attachment.memory.name} reads otherwise`)
    attachment.views++
  }
}

class Translate extends OnRegion {
  async on({ number: region }: Attachment, tell: (act: Act) => Promise<Outcome>) {
    assert.deepEqual(await tell({ do: 'translate', region }), {})
  }
}

class TakeHold extends OnRegion {
  async on(attachment: Attachment, tell: (act: Act) => Promise<Outcome>, _: unknown, model: Model) {
    const hold = model.next++
    assert.deepEqual(await tell({ do: 'hold', region: attachment.number, hold }), {})
    attachment.holds.add(hold)
  }
}

class Release extends OnRegion {
  async on({ holds }: Attachment, tell: (act: Act) => Promise<Outcome>) {
    for (const hold of [...holds].slice(0, 1)) {
      await tell({ do: 'release', hold })
      holds.delete(hold)
    }
  }
}

class Close extends OnRegion {
  async on(attachment: Attachment, tell: (act: Act) => Promise<Outcome>, _: unknown, model: Model) {
    const { code, lengths } = await tell({ do: 'close', region: attachment.number, wait: this.byte % 2 === 0 })
    if (attachment.holds.size > 0) return assert.equal(code, 'ERR_REGION_HELD')
    // Every view of this Region is empty now, also where another Region of the thread is open on the same memory.
    assert.deepEqual(lengths, new Array(attachment.views).fill(0))
    model.remove((one) => one === attachment)
  }
}

/** A thread dies with all its regions and holds. */
class Die extends Step {
  constructor(readonly thread: number) {
    super()
  }
  async go(model: Model, threads: readonly Thread[]): Promise<void> {
    if (this.thread >= threads.length) return
    await threads[this.thread]?.replace()
    model.remove(({ thread }) => thread === this.thread)
  }
}

const thread = fc.nat(threadCount - 1)
const which = fc.nat(99)
const onRegion = fc.tuple(
  which,
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.nat(255),
)
const often = <Value>(arbitrary: fc.Arbitrary<Value>) => [arbitrary, arbitrary, arbitrary, arbitrary]
const steps = fc.commands(
  [
    ...often(
      fc
        .tuple(
          thread,
          fc.integer({ min: 1, max: 6 }),
          fc.constantFrom('base', 'transparent'),
          fc.boolean(),
          fc.boolean(),
        )
        .map(
          ([of, pages, kind, isPrivate, wait]) =>
            new Allocate(of, pages, kind, isPrivate ? 'anonymous' : 'memfd', wait),
        ),
    ),
    ...often(fc.tuple(thread, which).map((all) => new Attach(...all))),
    fc.tuple(thread, which).map((all) => new AttachStale(...all)),
    ...often(onRegion.map((all) => new Fill(...all))),
    ...often(onRegion.map((all) => new Read(...all))),
    onRegion.map((all) => new Translate(...all)),
    onRegion.map((all) => new TakeHold(...all)),
    onRegion.map((all) => new Release(...all)),
    ...often(onRegion.map((all) => new Close(...all))),
    // Most numbers name no thread, so that few threads die, since a new thread takes a while.
    fc.integer({ min: 1, max: 30 }).map((of) => new Die(of)),
  ],
  { maxCommands: 100, size: 'max', ...(path ? { replayPath: path } : {}) },
)

const workers = await Promise.all(Array.from({ length: threadCount - 1 }, () => new WorkerThread().ready()))
const threads: readonly Thread[] = [new OwnThread(), ...workers]

let runs = 0
// fast-check's own limit would stop in the middle of a run, and the rest of that run would go on starting threads.
const deadline = performance.now() + Number(limit)
await fc.assert(
  fc.asyncProperty(steps, async (commands) => {
    if (performance.now() > deadline) return
    const model = new Model()
    try {
      await fc.asyncModelRun(() => ({ model, real: threads }), commands)
      for (const { number, thread, holds } of model.attachments) {
        for (const hold of holds) await threads[thread]?.act({ do: 'release', hold })
        await threads[thread]?.act({ do: 'close', region: number, wait: true })
      }
      assert.equal(native.tableCounts().live, 0)
      assert.deepEqual(memfds(), [])
    } catch (error) {
      // Regions that a failure leaves behind would make every shorter attempt fail, too.
      for (const thread of threads) await thread.replace()
      throw error
    }
    runs++
  }),
  { seed: Number(seed), numRuns: 500 },
)
for (const worker of workers) await worker.end()
console.log(runs)
