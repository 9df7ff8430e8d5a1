import * as z from 'zod'
import { formatAddress } from '../addresses.js'
import { PinfoldError } from '../errors.js'
import { checked, optionsObject } from '../options.js'
import { type Access, accessBits } from './access.js'
import type { MemoryRange, RegisteredKeys } from './device-calls.js'
import { instanceOf, isInstance } from './instances.js'
import { type RegistrableMemory, rangeOf } from './memory-range.js'
import { address64 } from './numbers.js'
import { ProtectionDomain } from './protection-domain.js'
import { Registration } from './registration.js'

const domainArgument = instanceOf('ProtectionDomain', () => ProtectionDomain)
const registerOptions = z.lazy(() => optionsObject({ address: address64.optional() }))

/** `address`: the IOVA of the first byte, in place of the virtual address: what peers call it by (ibv_reg_mr_iova2). */
export interface RegisterOptions {
  readonly address?: bigint | undefined
}

/**
 * Registers memory of a region, byte for byte.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`, `ERR_REGION_CLOSED`, `ERR_OBJECT_CLOSED`,
 *   `ERR_MEMLOCK_LIMIT`, `ERR_UNSUPPORTED`; what the device refuses
 */
export function registerMemory(
  memory: RegistrableMemory,
  domain: ProtectionDomain,
  access: readonly Access[],
  options: RegisterOptions | undefined,
): Registration {
  const { range, bits, address } = understood(memory, domain, access, options)
  const keys = domain.device.calls.register(domain.handle, range, address, bits)
  return made(domain, range, access, keys)
}

/** As `registerMemory`, beside the event loop. The region and the domain stay open meanwhile. */
export async function registerMemoryAsync(
  memory: RegistrableMemory,
  domain: ProtectionDomain,
  given: readonly Access[],
  options: RegisterOptions | undefined,
): Promise<Registration> {
  const { range, bits, address } = understood(memory, domain, given, options)
  // The caller may change it while we wait.
  const access = [...given]
  const release = range.core.hold(`a registration with ${domain.device.name} that is under way`)
  const stay = domain.underWay(`a registration of region '${range.core.name}' that is under way`)
  try {
    return made(domain, range, access, await domain.device.calls.registerAsync(domain.handle, range, address, bits))
  } finally {
    stay()
    release()
  }
}

function understood(
  memory: RegistrableMemory,
  domain: ProtectionDomain,
  access: readonly Access[],
  options: RegisterOptions | undefined,
): { readonly range: MemoryRange; readonly bits: number; readonly address: bigint | undefined } {
  if (!isInstance(domain, ProtectionDomain)) checked('register: domain', domainArgument, domain)
  const range = rangeOf('register', memory)
  const bits = accessBits('register', access)
  const address = options === undefined ? undefined : checked('register', registerOptions, options).address
  if (address !== undefined && address + BigInt(range.length) > 2n ** 64n) {
    throw new PinfoldError(
      `register: address: ${range.length} bytes from ${formatAddress(address)} on reach beyond 64 bits`,
      {
        code: 'ERR_OUT_OF_RANGE',
        values: { address, length: range.length },
      },
    )
  }
  domain.requireOpen('register')
  return { range, bits, address }
}

function made(
  domain: ProtectionDomain,
  memory: MemoryRange,
  access: readonly Access[],
  keys: RegisteredKeys,
): Registration {
  try {
    return new Registration(domain, [], { kind: 'region', memory }, access, keys)
  } catch (error) {
    domain.device.calls.deregister(keys.handle)
    throw error
  }
}
