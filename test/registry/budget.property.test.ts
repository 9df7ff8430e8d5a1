import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Budget, type BudgetClaim, type BudgetRequest } from '../../src/registry/budget.js'

const kinds = ['1GiB', '2MiB', 'transparent', 'base']
const limit = fc.integer({ min: 0, max: 200 })

const limits = fc.record({
  total: fc.option(limit, { nil: undefined }),
  perPageSize: fc.uniqueArray(fc.tuple(fc.constantFrom(...kinds), limit), { selector: ([kind]) => kind }),
  perNode: fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 3 }), limit), { selector: ([node]) => node }),
})

const request: fc.Arbitrary<BudgetRequest> = fc
  .record({
    pages: fc.constantFrom(...kinds),
    bytes: fc.integer({ min: 1, max: 90 }),
    nodes: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }),
  })
  .map(({ pages, bytes, nodes }) => ({ pages, bytes, perNode: new Map(nodes.map((node) => [node, bytes])) }))

/** Steps: the claim with this index covers a request, or is released. */
const steps = fc.array(fc.tuple(fc.nat(7), fc.option(request, { nil: undefined })), { maxLength: 80 })

test('a claim is granted exactly if it fits under every limit, and the used bytes are those of the live claims', () => {
  fc.assert(
    fc.property(limits, steps, ({ total, perPageSize, perNode }, taken) => {
      const budget = new Budget({ total, perPageSize: new Map(perPageSize), perNode: new Map(perNode) })
      const claims: BudgetClaim[] = Array.from({ length: 8 }, () => budget.claim())
      const live = new Map<number, BudgetRequest>()
      const used = {
        total: () => sum([...live.values()].map(({ bytes }) => bytes)),
        pages: (kind: string) => sum([...live.values()].map(({ pages, bytes }) => (pages === kind ? bytes : 0))),
        node: (node: number) => sum([...live.values()].map((one) => one.perNode.get(node) ?? 0)),
      }

      for (const [at, wanted] of taken) {
        live.delete(at)
        if (wanted === undefined) {
          claims[at]?.release()
        } else {
          live.set(at, wanted)
          const fits =
            (total === undefined || used.total() <= total) &&
            perPageSize.every(([kind, most]) => kind !== wanted.pages || used.pages(kind) <= most) &&
            perNode.every(([node, most]) => !wanted.perNode.has(node) || used.node(node) <= most)
          if (!fits) live.delete(at)
          expect(granted(() => claims[at]?.cover(wanted))).toBe(fits)
        }
        const stats = budget.stats()
        expect(stats.total).toEqual(total === undefined ? undefined : { limit: total, used: used.total() })
        for (const [kind, most] of perPageSize) {
          expect(stats.perPageSize[kind]).toEqual({ limit: most, used: used.pages(kind) })
        }
        for (const [node, most] of perNode) {
          expect(stats.perNode[node]).toEqual({ limit: most, used: used.node(node) })
        }
      }

      for (const claim of claims) claim.release()
      const left = budget.stats()
      for (const { used } of [left.total, ...Object.values(left.perPageSize), ...Object.values(left.perNode)].flatMap(
        (use) => use ?? [],
      )) {
        expect(used).toBe(0)
      }
    }),
    { numRuns: 200 },
  )
})

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)

function granted(cover: () => void): boolean {
  try {
    cover()
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_BUDGET_EXCEEDED' })
    return false
  }
}
