import * as z from 'zod'
import { PinfoldError } from '../../errors.js'
import { checked, list } from '../../options.js'
import { bitsOf, names } from './enum-names.js'

/** `enum ibv_access_flags` (infiniband/verbs.h), without those of flushing: nothing here asks for a flush. */
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
 * What may be done with registered memory. Reading by this process's own work requests is always allowed; all else is
 * given by name:
 *
 * - 'localWrite': the device writes into it for our own requests: receives, results of reads and atomics.
 * - 'remoteWrite', 'remoteRead', 'remoteAtomic': the peers that know its rkey do. Writing needs 'localWrite' beside it.
 * - 'bindWindow': memory windows may be bound to it.
 * - 'zeroBased': its IOVA is 0.
 * - 'onDemand': pages are faulted by the device (ODP), not pinned.
 * - 'hugePages': an on-demand registration consists of huge pages.
 * - 'relaxedOrdering': PCIe may reorder its writes; ignored by a device that cannot (IBV_ACCESS_OPTIONAL_RANGE).
 */
export type Access = keyof typeof accessFlags.byName

/** Each may be named several times. */
const mostNamed = 64

export const accessOption = list(z.enum(accessFlags.all), {
  most: mostNamed,
  expected: `expected an array of access rights (${accessFlags.all.join(', ')})`,
})

/** The bits of what remote peers may do that changes memory, and so needs 'localWrite'. */
const changing = accessFlags.byName.remoteWrite | accessFlags.byName.remoteAtomic

/** Rights that a caller has given, by name and as the device takes them. */
export interface Rights {
  readonly names: readonly Access[]
  readonly bits: number
}

/**
 * The rights of a registration. They are read once: an array may have getters, or be a Proxy, and say something else when
 * it is asked again.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no right, and for remote writes without local ones, which the
 *   verbs specification forbids (ibv_reg_mr(3)) and devices refuse late, if at all
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

/** As `rightsOf`, where the names do not matter any more. @throws PinfoldError as `rightsOf` */
export function accessBits(subject: string, access: readonly Access[]): number {
  return rightsOf(subject, access).bits
}

/** Undefined unless they are all rights: what is wrong with them is then told by the schema, which costs a microsecond. */
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
    return undefined // a Proxy whose trap threw: the schema tells of it
  }
}

/** As Array.isArray, which would make elements of any type of them. */
function isArray(value: readonly Access[]): boolean {
  return Array.isArray(value)
}
