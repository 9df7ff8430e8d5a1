import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { type Hold, type MemoryRegistry, openRegistry, type Region } from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { mappedRegions } from '../support/mapped-regions.js'

const names = ['a', 'b', 'c', 'd', 'e', 'f'] as const
const budgetPages = 10

/** The state with which the registry must agree. Sizes are base pages. */
interface Model {
  readonly open: Map<string, Region>
  /** Allocations that are under way. They own their name and their part of the budget. */
  readonly pending: Map<string, { readonly pages: number; readonly arrived: Promise<void> }>
  readonly holds: { readonly name: string; readonly hold: Hold }[]
}

interface Real {
  readonly memory: MemoryRegistry
  /** Regions that no step touches. They were allocated before all others. */
  readonly others: readonly Region[]
}

const used = ({ open, pending }: Model) =>
  [...open.values()].reduce((sum, region) => sum + region.size / basePageSize, 0) +
  [...pending.values()].reduce((sum, { pages }) => sum + pages, 0)

/** The code with which a new region is refused; undefined if it must be made. */
function refusal(model: Model, name: string, pages: number): string | undefined {
  if (model.open.has(name) || model.pending.has(name)) return 'ERR_REGION_EXISTS'
  return used(model) + pages > budgetPages ? 'ERR_BUDGET_EXCEEDED' : undefined
}

function check({ memory, others }: Real, model: Model): void {
  const regions = [...model.open.values()]
  expect(memory.list().slice(others.length)).toEqual(regions)
  for (const region of regions) {
    expect(memory.get(region.name)).toBe(region)
    expect(memory.find(region.address + BigInt(region.size) - 1n)).toBe(region)
  }
  expect(memory.stats()).toMatchObject({
    regions: others.length + regions.length,
    pending: model.pending.size,
    budget: { total: { used: (others.length + used(model)) * basePageSize } },
  })
}

abstract class Step implements fc.AsyncCommand<Model, Real> {
  check = () => true
  abstract act(model: Model, real: Real): Promise<void> | void
  async run(model: Model, real: Real): Promise<void> {
    await this.act(model, real)
    // After a turn of the event loop, every region that has arrived is also in the model.
    await new Promise(setImmediate)
    check(real, model)
  }
  toString = () => `${this.constructor.name} ${JSON.stringify(this)}`
}

class AllocateSync extends Step {
  constructor(
    readonly name: string,
    readonly pages: number,
  ) {
    super()
  }
  act(model: Model, { memory }: Real): void {
    const options = { size: this.pages * basePageSize, pages: 'base' } as const
    const code = refusal(model, this.name, this.pages)
    if (code !== undefined) {
      expect(() => memory.allocateSync(this.name, options)).toThrowCode(code)
      return
    }
    const region = memory.allocateSync(this.name, options)
    region.bytes.fill(1)
    model.open.set(this.name, region)
  }
}

class StartAllocate extends Step {
  constructor(
    readonly name: string,
    readonly pages: number,
    readonly aborted: boolean,
  ) {
    super()
  }
  async act(model: Model, { memory }: Real): Promise<void> {
    const stop = new AbortController()
    const code = refusal(model, this.name, this.pages)
    const region = memory.allocate(this.name, {
      size: this.pages * basePageSize,
      pages: 'base',
      signal: stop.signal,
    })
    if (code !== undefined) return expect(region).rejects.toMatchObject({ code })
    if (!this.aborted) {
      const arrived = region.then((made) => {
        model.pending.delete(this.name)
        model.open.set(this.name, made)
      })
      model.pending.set(this.name, { pages: this.pages, arrived })
      return
    }
    stop.abort('enough')
    await expect(region).rejects.toBe('enough')
  }
}

class Settle extends Step {
  async act(model: Model): Promise<void> {
    await Promise.all([...model.pending.values()].map(({ arrived }) => arrived))
  }
}

class Close extends Step {
  constructor(readonly name: string) {
    super()
  }
  act(model: Model): void {
    const region = model.open.get(this.name)
    if (region === undefined) return
    if (model.holds.some(({ name }) => name === this.name)) {
      expect(() => region.close()).toThrowCode('ERR_REGION_HELD')
      return
    }
    region.close()
    model.open.delete(this.name)
  }
}

class TakeHold extends Step {
  constructor(readonly name: string) {
    super()
  }
  act(model: Model): void {
    const hold = model.open.get(this.name)?.hold(`a hold on ${this.name}`)
    if (hold !== undefined) model.holds.push({ name: this.name, hold })
  }
}

class Release extends Step {
  constructor(readonly which: number) {
    super()
  }
  act(model: Model): void {
    model.holds.splice(this.which % (model.holds.length || 1), 1)[0]?.hold.release()
  }
}

class CloseHeldRegistry extends Step {
  act(model: Model, { memory }: Real): void {
    if (model.holds.length === 0) return
    expect(() => memory.close()).toThrowCode('ERR_REGION_HELD')
  }
}

const name = fc.constantFrom(...names)
const pages = fc.integer({ min: 1, max: 5 })
const steps = fc.commands(
  [
    fc.tuple(name, pages).map(([of, size]) => new AllocateSync(of, size)),
    fc.tuple(name, pages, fc.boolean()).map(([of, size, aborted]) => new StartAllocate(of, size, aborted)),
    fc.constant(new Settle()),
    name.map((of) => new Close(of)),
    name.map((of) => new TakeHold(of)),
    fc.nat(9).map((which) => new Release(which)),
    fc.constant(new CloseHeldRegistry()),
  ],
  { maxCommands: 60, size: 'max' },
)

afterAll(() => expect(mappedRegions()).toEqual([]))

test.for([
  [0, 100],
  [10_000, 3],
] as const)(
  'a registry knows its open regions and their budget, in whatever order regions come and go, beside %i others',
  async ([beside, numRuns]) => {
    await fc.assert(
      fc.asyncProperty(steps, async (commands) => {
        const memory = await openRegistry({ budget: (beside + budgetPages) * basePageSize })
        const small = { size: basePageSize, pages: 'base', backing: 'anonymous' } as const
        const others = Array.from({ length: beside }, (_, index) => memory.allocateSync(`other-${index}`, small))
        const model: Model = { open: new Map(), pending: new Map(), holds: [] }
        try {
          await fc.asyncModelRun(() => ({ model, real: { memory, others } }), commands)
          for (const region of others) expect(memory.find(region.address)).toBe(region)
        } finally {
          await Promise.allSettled([...model.pending.values()].map(({ arrived }) => arrived))
          for (const { hold } of model.holds) hold.release()
          memory.close()
        }
        expect(memory.stats()).toMatchObject({ regions: 0, pending: 0, bytes: 0, budget: { total: { used: 0 } } })
      }),
      { numRuns, endOnFailure: beside > 0 },
    )
  },
)
