import { PinfoldError } from '../errors.js'
import type { Claim } from '../memory/allocate/allocate.js'
import type { Attempt } from '../memory/allocate/attempt.js'
import { formatSize } from '../sizes.js'
import { allowedNodes } from '../system/numa.js'

/** The most bytes that the open regions of a registry may have together. A missing entry means no limit. */
export interface BudgetLimits {
  readonly total?: number | undefined
  /** By kind of pages, as `region.pages` names them: '1GiB', '2MiB', 'transparent', 'base'. */
  readonly perPageSize: ReadonlyMap<string, number>
  /** By NUMA node. */
  readonly perNode: ReadonlyMap<number, number>
}

/** The memory that a region would take. */
export interface BudgetRequest {
  /** As `region.pages`. */
  readonly pages: string
  readonly bytes: number
  /** The most bytes that may lie on each node. Nodes without a limit may be left out. */
  readonly perNode: ReadonlyMap<number, number>
}

/** One limit and the bytes that count against it. */
export interface BudgetUse {
  readonly limit: number
  readonly used: number
}

/** Every limit of a budget; plain numbers. */
export interface BudgetStats {
  readonly total?: BudgetUse
  readonly perPageSize: Readonly<Record<string, BudgetUse>>
  readonly perNode: Readonly<Record<number, BudgetUse>>
}

/** Counts one limit. */
class Account {
  used = 0

  constructor(
    readonly subject: string,
    readonly limit: number,
  ) {}

  get use(): BudgetUse {
    return { limit: this.limit, used: this.used }
  }
}

interface Charge {
  readonly account: Account
  readonly bytes: number
}

/**
 * A registry's budget: limits, and the claims that count against them.
 *
 * A claim is charged before the kernel is asked and for as long as the region is open, so allocations that are under
 * way at the same time cannot pass a limit together.
 */
export class Budget {
  readonly #total: Account | undefined
  readonly #perPageSize = new Map<string, Account>()
  readonly #perNode = new Map<number, Account>()

  constructor(limits: BudgetLimits) {
    if (limits.total !== undefined) this.#total = new Account('the budget', limits.total)
    for (const [pages, limit] of limits.perPageSize) {
      this.#perPageSize.set(pages, new Account(`the budget for ${pages} pages`, limit))
    }
    for (const [node, limit] of limits.perNode) {
      this.#perNode.set(node, new Account(`the budget for node ${node}`, limit))
    }
  }

  /** True if the nodes on which a region lies matter. */
  get limitsNodes(): boolean {
    return this.#perNode.size > 0
  }

  /** A claim that is empty yet; see {@link BudgetClaim.cover}. */
  claim(): BudgetClaim {
    return new BudgetClaim(this)
  }

  stats(): BudgetStats {
    const uses = <Key extends string | number>(accounts: ReadonlyMap<Key, Account>) =>
      Object.fromEntries([...accounts].map(([key, account]) => [key, account.use]))
    return {
      ...(this.#total === undefined ? {} : { total: this.#total.use }),
      perPageSize: uses(this.#perPageSize),
      perNode: uses(this.#perNode),
    }
  }

  /** @internal The limits that a request touches. */
  charges({ pages, bytes, perNode }: BudgetRequest): readonly Charge[] {
    const charges: Charge[] = []
    if (this.#total !== undefined) charges.push({ account: this.#total, bytes })
    const ofPages = this.#perPageSize.get(pages)
    if (ofPages !== undefined) charges.push({ account: ofPages, bytes })
    for (const [node, account] of this.#perNode) {
      const onNode = perNode.get(node) ?? 0
      if (onNode > 0) charges.push({ account, bytes: onNode })
    }
    return charges
  }
}

const none: readonly Charge[] = []
const noNodes: ReadonlyMap<number, number> = new Map()

/** The part of a {@link Budget} that one region takes, from before the kernel is asked until the region is closed. */
export class BudgetClaim implements Claim {
  readonly #budget: Budget
  #charges: readonly Charge[] = none

  /** @internal Made by {@link Budget.claim}. */
  constructor(budget: Budget) {
    this.#budget = budget
  }

  /**
   * Claims what an attempt may take: on each node that its pages may come from.
   *
   * @throws PinfoldError `ERR_BUDGET_EXCEEDED`
   */
  admit({ size, choice, placement: { nodes, interleaved } }: Attempt): void {
    const possible = () => (nodes.length === 0 ? allowedNodes() : nodes)
    const perNode = this.#budget.limitsNodes ? nodeShares(size, choice.bytes, possible(), interleaved) : noNodes
    this.cover({ pages: choice.name, bytes: size, perNode })
  }

  /**
   * Claims the bytes of `request`, in place of those that this claim had.
   *
   * @throws PinfoldError `ERR_BUDGET_EXCEEDED` when the request exceeds a limit; the claim is empty then.
   */
  cover(request: BudgetRequest): void {
    this.release()
    const charges = this.#budget.charges(request)
    for (const { account, bytes } of charges) {
      if (account.used + bytes > account.limit) throw exceeded(account, bytes, request)
    }
    for (const { account, bytes } of charges) account.used += bytes
    this.#charges = charges
  }

  /** Gives back all bytes of this claim. */
  release(): void {
    for (const { account, bytes } of this.#charges) account.used -= bytes
    this.#charges = none
  }
}

/**
 * The most bytes that a placement may put on each node: an even share in whole pages if they are interleaved, otherwise
 * all bytes on any of `nodes`.
 */
export function nodeShares(
  bytes: number,
  pageSize: number,
  nodes: readonly number[],
  interleaved: boolean,
): ReadonlyMap<number, number> {
  const distinct = new Set(nodes)
  const share = interleaved ? Math.ceil(bytes / pageSize / distinct.size) * pageSize : bytes
  return new Map([...distinct].map((node) => [node, share]))
}

function exceeded({ subject, limit, used }: Account, wanted: number, { pages }: BudgetRequest): PinfoldError {
  const left = limit - used
  return new PinfoldError(
    `${formatSize(wanted)} of ${pages} pages wanted, ${formatSize(left)} left of ${subject} ` +
      `(${formatSize(limit)}, ${formatSize(used)} in use)`,
    { code: 'ERR_BUDGET_EXCEEDED', values: { budget: subject, pages, wanted, left, used, limit } },
  )
}
