import { constants } from 'node:os'
import type { MemoryRange } from '../../memory/region-memory.js'
import { basePageSize } from '../../system/page-sizes.js'
import { accessFlags } from '../contract/access-flags.js'
import type { DeviceCalls, Handle, RegisteredKeys } from '../contract/device-calls.js'
import type { LoopbackContext } from './context.js'
import { limits } from './limits.js'
import { busy, refusal, unsupported } from './refusal.js'
import { RegisteredMemory, type Storage } from './registered-memory.js'
import { wire } from './wire.js'

const { zeroBased, localWrite, remoteWrite, remoteRead, remoteAtomic, onDemand, hugePages } = accessFlags.byName
/** The length of a null registration: enough for a message of any length. */
const nullLength = 2 ** 31
/** Linux requires that a chosen address has the same offset in its page as the memory. */
const pageBytes = BigInt(basePageSize)

export function registrationCalls(context: LoopbackContext) {
  const register = (
    verb: string,
    domain: Handle,
    storage: Storage,
    length: number,
    address: bigint,
    access: number,
    isImplicit = false,
  ): RegisteredKeys => {
    const of = context.domains.get(verb, domain)
    if ((access & hugePages) !== 0 && (access & onDemand) === 0) {
      throw refusal(verb, 'hugePages needs onDemand', { access })
    }
    requireLocalWrite(verb, access)
    const memory = new RegisteredMemory(of, wire.newKey(), storage, length, address, access, isImplicit)
    memory.handle = context.registrations.add(memory)
    wire.setKey(memory.key, memory)
    of.uses += 1
    return keysOf(memory)
  }
  const registerRange = (domain: Handle, range: MemoryRange, address: bigint | undefined, access: number) => {
    const at = addressOf(range, address, access)
    return register('ibv_reg_mr', domain, { kind: 'region', range }, range.length, at, access)
  }
  return {
    register: registerRange,
    async registerAsync(domain, range, address, access) {
      return registerRange(domain, range, address, access)
    },
    reregister(handle, { domain, memory: range, access }) {
      const verb = 'ibv_rereg_mr'
      const memory = context.registrations.get(verb, handle)
      if (memory.windows > 0) throw refusal(verb, 'memory windows are bound to it')
      if (memory.storage.kind !== 'region') throw unsupported(verb, 'only registrations of regions can be changed')
      const to = domain === undefined ? memory.domain : context.domains.get(verb, domain)
      const rights = access ?? memory.access
      requireLocalWrite(verb, rights)
      // While its memory stays the same, a registration keeps its address, also a chosen one.
      if (range !== undefined) {
        memory.replace({ kind: 'region', range }, range.length, addressOf(range, undefined, rights))
      }
      memory.access = rights
      memory.domain.uses -= 1
      memory.domain = to
      to.uses += 1
      wire.dropKey(memory.key)
      memory.key = wire.newKey()
      wire.setKey(memory.key, memory)
      return keysOf(memory)
    },
    registerImplicit(domain, access) {
      if ((access & (remoteWrite | remoteRead | remoteAtomic)) !== 0) {
        throw refusal('ibv_reg_mr', 'a registration of the whole address space cannot have remote rights', { access })
      }
      return register('ibv_reg_mr', domain, { kind: 'null' }, 0, 0n, access, true)
    },
    cover(handle, range) {
      const implicit = context.registrations.get('ibv_reg_mr', handle)
      if (!implicit.isImplicit) throw refusal('ibv_reg_mr', 'the handle is not of an implicit registration')
      // It has the domain and the rights of the implicit registration, but a range and a key of its own.
      return register(
        'ibv_reg_mr',
        implicit.domain.handle,
        { kind: 'region', range },
        range.length,
        range.core.address + BigInt(range.offset),
        implicit.access,
      )
    },
    registerNull(domain) {
      return register('ibv_alloc_null_mr', domain, { kind: 'null' }, nullLength, 0n, localWrite)
    },
    registerDmabuf() {
      throw unsupported('ibv_reg_dmabuf_mr', 'the loopback reaches only memory of this process')
    },
    deregister(handle) {
      const memory = context.registrations.get('ibv_dereg_mr', handle)
      if (memory.windows > 0) throw refusal('ibv_dereg_mr', `${memory.windows} memory windows are bound to it`)
      context.registrations.remove('ibv_dereg_mr', handle)
      wire.dropKey(memory.key)
      memory.domain.uses -= 1
      memory.handle = 0 // posted receives that still name it then fail (receives.ts)
      if (memory.storage.kind === 'device') memory.storage.owner.uses -= 1
    },
    advise(domain, _advice, _flush, ranges) {
      const verb = 'ibv_advise_mr'
      const of = context.domains.get(verb, domain)
      for (const { registration, offset, length } of ranges) {
        const memory = context.registrations.get(verb, registration)
        const isFit = memory.domain === of && (memory.access & onDemand) !== 0 && offset + length <= memory.length
        if (!isFit) throw refusal(verb, 'expected ranges of registrations on demand, of this domain')
      }
    },
    allocateDeviceMemory(length) {
      if (length > limits.deviceMemory - context.deviceMemoryUsed) {
        const left = limits.deviceMemory - context.deviceMemoryUsed
        const { ENOMEM } = constants.errno
        throw refusal('ibv_alloc_dm', `${left} bytes are left`, { length, left }, 'ERR_DEVICE_REFUSED', ENOMEM)
      }
      context.deviceMemoryUsed += length
      return context.deviceMemory.add({ bytes: new Uint8Array(length), uses: 0 })
    },
    freeDeviceMemory(handle) {
      const memory = context.deviceMemory.get('ibv_free_dm', handle)
      if (memory.uses > 0) throw busy('ibv_free_dm', 'it is registered')
      context.deviceMemory.remove('ibv_free_dm', handle)
      context.deviceMemoryUsed -= memory.bytes.length
    },
    writeDeviceMemory(handle, offset, bytes) {
      context.deviceMemory.get('ibv_memcpy_to_dm', handle).bytes.set(bytes, offset)
    },
    readDeviceMemory(handle, offset, bytes) {
      const from = context.deviceMemory.get('ibv_memcpy_from_dm', handle).bytes
      bytes.set(from.subarray(offset, offset + bytes.length))
    },
    registerDeviceMemory(domain, handle, offset, length, access) {
      const owner = context.deviceMemory.get('ibv_reg_dm_mr', handle)
      if (offset + length > owner.bytes.length) {
        throw refusal('ibv_reg_dm_mr', 'the range is not inside the device memory', { offset, length })
      }
      const storage: Storage = { kind: 'device', bytes: owner.bytes, offset, owner }
      const keys = register('ibv_reg_dm_mr', domain, storage, length, 0n, access | zeroBased)
      owner.uses += 1
      return keys
    },
  } satisfies Partial<DeviceCalls>
}

/** Linux requires this of every device: ib_check_mr_access. */
function requireLocalWrite(verb: string, access: number): void {
  if ((access & (remoteWrite | remoteAtomic)) === 0 || (access & localWrite) !== 0) return
  throw refusal(verb, 'remoteWrite and remoteAtomic need localWrite', { access })
}

function addressOf({ core, offset }: MemoryRange, chosen: bigint | undefined, access: number): bigint {
  if (chosen !== undefined && (chosen - core.address - BigInt(offset)) % pageBytes !== 0n) {
    throw refusal('ibv_reg_mr', 'the chosen address must have the same offset in its page as the memory', { chosen })
  }
  return chosen ?? ((access & zeroBased) === 0 ? core.address + BigInt(offset) : 0n)
}

function keysOf({ handle, key, address }: RegisteredMemory): RegisteredKeys {
  return { handle, lkey: key, rkey: key, address }
}
