import * as z from 'zod/mini'
import { formatAddress } from '../addresses.js'
import { PinfoldError } from '../errors.js'
import { filledRange, type MemoryRange, type RegionMemory } from '../memory/region-memory.js'
import { checked, later, optionsObject } from '../options.js'
import { type Access, type Rights, rightsOf } from './contract/access-flags.js'
import type { RegisteredKeys } from './contract/device-calls.js'
import { address64 } from './contract/number-options.js'
import { callsOf, handleOf } from './device-object.js'
import { deviceObject, isObjectOfKind } from './object-checks.js'
import type { ProtectionDomain } from './protection-domain.js'
import { Registration } from './registration.js'

const domainArgument = deviceObject('domain')
const registerOptions = later(() => optionsObject({ address: z.optional(address64) }))

/** `address`: the IOVA of the first byte, in place of the virtual address (ibv_reg_mr_iova2). Peers use it. */
export interface RegisterOptions {
  readonly address?: bigint | undefined
}

/**
 * Registers exactly the given bytes of a region.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`, `ERR_REGION_CLOSED`, `ERR_OBJECT_CLOSED`,
 *   `ERR_MEMLOCK_LIMIT`, `ERR_UNSUPPORTED`; errors of the device
 */
export function registerMemory(
  memory: RegionMemory,
  domain: ProtectionDomain,
  access: readonly Access[],
  options: RegisterOptions | undefined,
): Registration {
  const { range, rights, address } = understood(memory, domain, access, options)
  const keys = callsOf(domain).register(handleOf(domain), range, address, rights.bits)
  return made(domain, range, rights, keys)
}

/** As `registerMemory`, on another thread. The region and the domain stay open meanwhile. */
export async function registerMemoryAsync(
  memory: RegionMemory,
  domain: ProtectionDomain,
  access: readonly Access[],
  options: RegisterOptions | undefined,
): Promise<Registration> {
  const { range, rights, address } = understood(memory, domain, access, options)
  const release = range.core.hold(`a registration with ${domain.device.name} that is under way`)
  const stay = domain.underWay(`a registration of region '${range.core.name}' that is under way`)
  try {
    const keys = await callsOf(domain).registerAsync(handleOf(domain), range, address, rights.bits)
    return made(domain, range, rights, keys)
  } finally {
    stay()
    release()
  }
}

function understood(
  memory: RegionMemory,
  domain: ProtectionDomain,
  access: readonly Access[],
  options: RegisterOptions | undefined,
): { readonly range: MemoryRange; readonly rights: Rights; readonly address: bigint | undefined } {
  if (!isObjectOfKind(domain, 'domain')) checked('register: domain', domainArgument, domain)
  const range = filledRange('register', memory)
  const rights = rightsOf('register', access)
  const address = options === undefined ? undefined : checked('register', registerOptions, options).address
  if (address !== undefined && address + BigInt(range.length) > 2n ** 64n) {
    throw new PinfoldError(
      `register: address: ${range.length} bytes from ${formatAddress(address)} on go beyond 64 bits`,
      {
        code: 'ERR_OUT_OF_RANGE',
        values: { address, length: range.length },
      },
    )
  }
  domain.requireOpen('register')
  return { range, rights, address }
}

function made(domain: ProtectionDomain, memory: MemoryRange, { names }: Rights, keys: RegisteredKeys): Registration {
  try {
    return new Registration(domain, [], { kind: 'region', memory }, names, keys)
  } catch (error) {
    callsOf(domain).deregister(keys.handle)
    throw error
  }
}
