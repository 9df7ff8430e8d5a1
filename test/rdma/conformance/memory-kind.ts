import { everyRight } from './buffer.js'
import { Unsupported } from './case.js'
import type { Kit } from './kit.js'
import { type Access, PinfoldError, parseRemoteMemory, type RegistrationSlice, type RemoteSlice } from './rdma.js'

/** Registered memory of any kind, as requests and peers use it and as this process reads and writes its bytes. */
export interface KindOfMemory {
  slice(offset: number, length: number): RegistrationSlice
  /** The memory as a peer uses it. */
  remote(offset: number, length: number): RemoteSlice
  write(offset: number, bytes: Uint8Array): void
  read(offset: number, length: number): Uint8Array
}

/** A kind of memory that a case uses as the source or the target of an operation. */
export interface MemoryKind {
  readonly name: string
  /** Whether peers can reach it. */
  readonly hasRemoteRights: boolean
  /** Whether the processor can read it, as an inline request needs. */
  readonly isReadable: boolean
  /** @throws Unsupported if the device reports that it lacks this kind */
  make(kit: Kit, size: number): KindOfMemory
}

/** On-demand memory of a region: the device takes pages when a request touches them. */
const onDemand: MemoryKind = {
  name: 'on-demand memory',
  hasRemoteRights: true,
  isReadable: true,
  make(kit, size) {
    const access: readonly Access[] = ['localWrite', 'remoteWrite', 'remoteRead', 'remoteAtomic', 'onDemand']
    const { registration, bytes } = kit.optional('on-demand paging', () => probe(() => kit.buffer(size, access)))
    return {
      slice: (offset, length) => registration.slice(offset, length),
      remote: (offset, length) => parseRemoteMemory(registration.describe()).slice(offset, length),
      ...copies(bytes),
    }
  },
}

/** A range of a region under an implicit registration. Peers never reach it: it has local rights only. */
const implicit: MemoryKind = {
  name: 'memory under a registration of the whole address space',
  hasRemoteRights: false,
  isReadable: true,
  make(kit, size) {
    const all = kit.optional('implicit on-demand paging', () =>
      probe(() => kit.domain.registerImplicit(['localWrite'])),
    )
    const { region, bytes } = kit.buffer(size)
    const covered = all.cover(region.slice(0, size))
    return {
      slice: (offset, length) => covered.slice(offset, length),
      remote() {
        throw new Error('no peer reaches it')
      },
      ...copies(bytes),
    }
  },
}

const onDevice: MemoryKind = {
  name: 'device memory',
  hasRemoteRights: true,
  isReadable: false,
  make(kit, size) {
    const memory = kit.optional('device memory', () => kit.device.allocateDeviceMemory({ size }))
    const registration = kit.domain.registerDeviceMemory(
      memory,
      everyRight.filter((right) => right !== 'bindWindow'),
    )
    return {
      slice: (offset, length) => registration.slice(offset, length),
      remote: (offset, length) => parseRemoteMemory(registration.describe()).slice(offset, length),
      write: (offset, bytes) => memory.write(offset, bytes),
      read(offset, length) {
        const bytes = new Uint8Array(length)
        memory.read(offset, bytes)
        return bytes
      },
    }
  },
}

export const memoryKinds: readonly MemoryKind[] = [onDemand, implicit, onDevice]

function copies(memory: Uint8Array): Pick<KindOfMemory, 'write' | 'read'> {
  return {
    write: (offset, bytes) => memory.set(bytes, offset),
    read: (offset, length) => memory.slice(offset, offset + length),
  }
}

/** Treats EINVAL as a lack of the flag, since some devices report an unknown flag in this way. */
export function probe<Result>(call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    const lacks = error instanceof PinfoldError && error.code === 'ERR_DEVICE_REFUSED' && error.errno === 22
    if (!lacks) throw error
    throw new Unsupported(`${error.syscall} refuses it (EINVAL)`)
  }
}
