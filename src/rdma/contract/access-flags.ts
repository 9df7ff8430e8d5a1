import * as z from 'zod/mini'
import { PinfoldError } from '../../errors.js'
import { checked, later, list } from '../../options.js'
import { bitsOf, names } from './enum-names.js'

/** `enum ibv_access_flags` (infiniband/verbs.h), without the flags of flushing: no operation here asks for a flush. */
export const accessFlags = names({
  localWrite: 1 << 0,
  remoteWrite: 1 << 1,
  remoteRead: 1 << 2,
  remoteAtomic: 1 << 3,
  bindWindow: 1 << 4,
  zeroBased: 1 << 5,
  onDemand: 1 << 6,
  hugePages: 1 << 7,
  relaxedOrdering: 1 << 20,
})

/**
 * A right on registered memory. Work requests of this process may always read it. Every other right is given by name:
 *
 * - 'localWrite': our own requests may write into it: receives, results of reads and atomics.
 * - 'remoteWrite', 'remoteRead', 'remoteAtomic': peers that know its rkey may do this. A remote right that changes memory
 *   needs 'localWrite', too.
 * - 'bindWindow': memory windows may be bound to it.
 * - 'zeroBased': its IOVA is 0.
 * - 'onDemand': the device faults the pages in (ODP). They are not pinned.
 * - 'hugePages': an on-demand registration consists of huge pages.
 * - 'relaxedOrdering': PCIe may reorder the writes. A device that cannot do this ignores the right
 *   (IBV_ACCESS_OPTIONAL_RANGE).
 */
export type Access = keyof typeof accessFlags.byName

/** Most names in an array of rights: a right may be named several times. */
const mostNamed = 64

export const accessOption = later(() =>
  list(z.enum(accessFlags.all), {
    most: mostNamed,
    expected: `expected an array of access rights (${accessFlags.all.join(', ')})`,
  }),
)

/** The bits of the remote rights that change memory, and so need 'localWrite'. */
const changing = accessFlags.byName.remoteWrite | accessFlags.byName.remoteAtomic

/** The rights that a caller has given: by name, and as bits for the device. */
export interface Rights {
  readonly names: readonly Access[]
  readonly bits: number
}

/**
 * The rights of a registration. The array is read once: it may contain getters, or be a Proxy, and give another answer the
 * second time.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for a value that is no right, and for a remote right that changes memory
 *   without 'localWrite': the specification forbids it (ibv_reg_mr(3)), and devices refuse it late or never
 */
export function rightsOf(subject: string, access: readonly Access[]): Rights {
  const names = knownRights(access) ?? checked(`${subject}: access`, accessOption, access)
  const bits = bitsOf(accessFlags, names)
  if ((bits & changing) !== 0 && (bits & accessFlags.byName.localWrite) === 0) {
    const named = names.find((name) => (accessFlags.byName[name] & changing) !== 0)
    throw new PinfoldError(`${subject}: access: '${named}' needs 'localWrite' beside it`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { access: names },
    })
  }
  return { names, bits }
}

/** As `rightsOf`, for a caller that needs only the bits. @throws PinfoldError as `rightsOf` */
export function accessBits(subject: string, access: readonly Access[]): number {
  return rightsOf(subject, access).bits
}

/** Undefined unless all of them are rights. The schema, which costs a microsecond, then tells what is wrong. */
function knownRights(access: readonly Access[]): readonly Access[] | undefined {
  try {
    if (!isArray(access)) return undefined
    const names: Access[] = []
    const { length } = access
    if (length > mostNamed) return undefined
    for (let index = 0; index < length; index++) {
      const name = access[index]
      if (typeof name !== 'string' || !Object.hasOwn(accessFlags.byName, name)) return undefined
      names.push(name)
    }
    return names
  } catch {
    return undefined // a trap of a Proxy threw: the schema tells it
  }
}

/** As Array.isArray, which would give the elements the type `any`. */
function isArray(value: readonly Access[]): boolean {
  return Array.isArray(value)
}
