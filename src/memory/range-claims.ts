import { disposeAll } from '../disposal.js'
import { PinfoldError } from '../errors.js'
import type { RegionCore } from './region-core.js'
import type { MemoryRange } from './region-memory.js'

/** What a range of a region can be given to. */
export type ClaimKind = 'ring' | 'buffer pool' | 'packets' | 'heap'

/** An object that works on a range of a region. Disposing it closes it and releases its claim. */
export interface Claimant {
  readonly closed: boolean
  [Symbol.dispose](): void
}

interface Claim {
  readonly kind: ClaimKind
  /** Where it starts in the region, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number
  readonly claimant: Claimant
}

/** The range that a call wants for an object that it is about to make. */
export interface WantedRange extends MemoryRange {
  /** The function that the program called: errors begin with it. */
  readonly subject: string
  readonly kind: ClaimKind
  /** True for an object that another one of the same kind may share its range with, to the byte: a second Ring of a ring. */
  readonly isShared?: boolean
  /** An object within the range that belongs to the new one: the buffer pool of packets. */
  readonly part?: Claimant | undefined
}

/**
 * The ranges of a region that this thread has given to rings, buffer pools, packets and heaps. Each of them holds the region
 * until it is closed. No two overlap, except several Ring objects of one ring. A claim is unknown to other threads and
 * processes, and to a second attachment of the region in this thread.
 */
export class RangeClaims {
  readonly #core: RegionCore
  /** By the function that ends the hold of each. */
  readonly #claims = new Map<() => void, Claim>()

  constructor(core: RegionCore) {
    this.#core = core
  }

  /** The objects that have a claim. */
  get claimants(): ReadonlySet<Claimant> {
    return new Set([...this.#claims.values()].map(({ claimant }) => claimant))
  }

  /**
   * Claims a range for the object that `make` returns. `make` gets the function that releases the claim, for the object's
   * `close`. Nothing is claimed if it throws.
   *
   * @throws PinfoldError `ERR_RANGE_IN_USE` that names both, before `make` is called; `ERR_REGION_CLOSED`; as `make`
   */
  claim<Made extends Claimant>(wanted: WantedRange, make: (release: () => void) => Made): Made {
    const { kind, offset, length } = wanted
    // First, since it may run the program's own Error.prepareStackTrace, which may claim the range.
    const endHold = this.#core.hold(textOf(wanted), this.claim, wanted.subject)
    const release = () => {
      this.#claims.delete(endHold)
      endHold()
    }
    try {
      this.#requireFree(wanted)
      const claimant = make(release)
      this.#claims.set(endHold, { kind, offset, length, claimant })
      this.#core.holds.entrust(endHold)
      return claimant
    } catch (error) {
      endHold()
      throw error
    }
  }

  /** Closes all of them, the newest first. @throws the first error of those that cannot be closed; they stay open */
  close(): void {
    disposeAll([...this.claimants].reverse())
  }

  #requireFree(wanted: WantedRange): void {
    const { subject, kind, offset, length, isShared, part } = wanted
    for (const other of [...this.#claims.values()]) {
      if (other.claimant === part) continue
      if (other.claimant.closed) {
        // Packets whose buffer pool the program has closed by itself.
        other.claimant[Symbol.dispose]()
        continue
      }
      if (offset + length <= other.offset || other.offset + other.length <= offset) continue
      const isSame = other.kind === kind && other.offset === offset && other.length === length
      if (isShared && isSame) continue
      throw new PinfoldError(
        `${subject}: ${textOf(wanted)} of region '${this.#core.name}' would overlap ${textOf(other)}`,
        {
          code: 'ERR_RANGE_IN_USE',
          values: {
            ...{ name: this.#core.name, kind, offset, length },
            inUse: { kind: other.kind, offset: other.offset, length: other.length },
          },
          hint: 'close the other one, or give this one another slice of the region',
        },
      )
    }
  }
}

function textOf({ kind, offset, length }: Pick<Claim, 'kind' | 'offset' | 'length'>): string {
  return `${kind === 'packets' ? kind : `a ${kind}`} (bytes ${offset} to ${offset + length - 1})`
}
