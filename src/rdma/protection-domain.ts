import * as z from 'zod/mini'
import { checked, checkRange, later, list, optionsObject, optionsOf } from '../options.js'
import { AddressHandle, answerPath, type PathOptions, pathAttributes } from './address-handle.js'
import { type Advice, type AdvisedRange, understoodAdvice } from './advice.js'
import type { Completion } from './completion.js'
import { type Access, rightsOf } from './contract/access-flags.js'
import type { Handle } from './contract/device-calls.js'
import { address64, whole } from './contract/number-options.js'
import type { Device } from './device.js'
import type { DeviceMemory } from './device-memory.js'
import { callsOf, DeviceObject, handleOf, requireSameDevice } from './device-object.js'
import { ImplicitRegistration } from './implicit-registration.js'
import { MemoryWindow } from './memory-window.js'
import { deviceObject } from './object-checks.js'
import { createQueuePair, type QueuePair, type QueuePairOptions } from './queue-pair.js'
import { Registration } from './registration.js'
import {
  createSharedReceiveQueue,
  type SharedReceiveQueue,
  type SharedReceiveQueueOptions,
} from './shared-receive-queue.js'

const length = later(() => whole(1, Number.MAX_SAFE_INTEGER))
const offset = later(() => whole(0, Number.MAX_SAFE_INTEGER))
const deviceMemoryArgument = deviceObject('device memory')
const deviceMemoryRange = later(() => optionsObject({ offset: z.optional(offset), length: z.optional(length) }))
const dmabufOptions = later(() =>
  optionsOf<DmabufOptions>()({
    descriptor: whole(0, 2 ** 31 - 1),
    offset: z.optional(offset),
    length,
    address: z.optional(address64),
  }),
)
const windowOptions = later(() =>
  optionsObject({
    type: z.optional(z.union([z.literal(1), z.literal(2)], { error: 'expected 1 or 2' })),
  }),
)

/** The part of a dma-buf that is registered. */
export interface DmabufOptions {
  /** The file descriptor of the dma-buf. */
  readonly descriptor: number
  /** Where the part starts in the dma-buf, in bytes. Default: 0. */
  readonly offset?: number | undefined
  /** Bytes, 1 or more. */
  readonly length: number
  /** The IOVA of the first byte. Default: `offset`. */
  readonly address?: bigint | undefined
}

/**
 * A protection domain (ibv_pd). Queue pairs use only registrations, windows and address handles of their own domain.
 */
export class ProtectionDomain extends DeviceObject {
  readonly device: Device

  /** Made by `device.createDomain()`. */
  constructor(device: Device, handle: Handle) {
    super('domain', handle, [device])
    this.device = device
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_DOMAIN_MISMATCH`; errors of the device */
  createQueuePair(options: QueuePairOptions): QueuePair {
    return createQueuePair(this, options)
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`; errors of the device */
  createSharedReceiveQueue(options: SharedReceiveQueueOptions = {}): SharedReceiveQueue {
    return createSharedReceiveQueue(this, options)
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` */
  allocateWindow(options: { readonly type?: 1 | 2 | undefined } = {}): MemoryWindow {
    const { type = 2 } = checked('allocateWindow', windowOptions, options)
    this.requireOpen('allocateWindow')
    const { handle, rkey } = callsOf(this).allocateWindow(handleOf(this), type)
    return new MemoryWindow(this, type, handle, rkey)
  }

  /** Creates a path for datagrams. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`; errors of the device */
  createAddressHandle(path: PathOptions): AddressHandle {
    const attributes = pathAttributes('createAddressHandle', this.device, path)
    this.requireOpen('createAddressHandle')
    return new AddressHandle(this, callsOf(this).createAddressHandle(handleOf(this), attributes))
  }

  /**
   * Creates the path back to the sender of a datagram (ibv_create_ah_from_wc(3)); `completion.sourceQueuePair` is the queue
   * pair of the sender. A server keeps one for each sender, since creating it is a system call.
   *
   * @param completion of the receive
   * @param header the 40 bytes before the datagram; more bytes may follow
   * @param options `port`: our port that has received it, 1 by default
   * @throws PinfoldError `ERR_OBJECT_CLOSED`; `ERR_INVALID_ARGUMENT` for a completion that is not of a datagram, and for
   *   bytes that are no header; `ERR_OUT_OF_RANGE` when the port has no GID that it was sent to; errors of the device
   */
  answerHandle(
    completion: Completion,
    header: Uint8Array,
    options: { readonly port?: number | undefined } = {},
  ): AddressHandle {
    this.requireOpen('answerHandle')
    return this.createAddressHandle(answerPath('answerHandle', this.device, completion, header, options))
  }

  /**
   * Registers memory of the device. It is zero based: its IOVA counts from the start of that memory.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`, `ERR_UNSUPPORTED`,
   *   `ERR_DOMAIN_MISMATCH`
   */
  registerDeviceMemory(
    memory: DeviceMemory,
    access: readonly Access[],
    options: { readonly offset?: number | undefined; readonly length?: number | undefined } = {},
  ): Registration {
    checked('registerDeviceMemory: memory', deviceMemoryArgument, memory)
    const { offset = 0, length = memory.size } = checked('registerDeviceMemory', deviceMemoryRange, options)
    const rights = rightsOf('registerDeviceMemory', access)
    this.requireOpen('registerDeviceMemory')
    requireSameDevice('registerDeviceMemory', this.device, [memory])
    checkRange('registerDeviceMemory', offset, length, memory.size)
    const keys = callsOf(this).registerDeviceMemory(handleOf(this), handleOf(memory), offset, length, rights.bits)
    return new Registration(this, [memory], { kind: 'device memory', length }, rights.names, keys)
  }

  /**
   * Registers memory of another device (a GPU) that the kernel shares as a dma-buf. The caller keeps the owner of the buffer
   * alive.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED`; errors of the device
   */
  registerDmabuf(options: DmabufOptions, access: readonly Access[]): Registration {
    const {
      descriptor,
      offset = 0,
      length,
      address = BigInt(offset),
    } = checked('registerDmabuf', dmabufOptions, options)
    const { names, bits } = rightsOf('registerDmabuf', access)
    this.requireOpen('registerDmabuf')
    const keys = callsOf(this).registerDmabuf(handleOf(this), descriptor, BigInt(offset), length, address, bits)
    return new Registration(this, [], { kind: 'dma-buf', length }, names, keys)
  }

  /**
   * Creates a registration without memory: reads of it give zeros, writes to it are dropped. It skips bytes of a message.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_UNSUPPORTED`
   */
  registerNull(): Registration {
    this.requireOpen('registerNull')
    const keys = callsOf(this).registerNull(handleOf(this))
    return new Registration(this, [], { kind: 'null', length: 2 ** 31 }, ['localWrite'], keys)
  }

  /**
   * Registers the whole address space, on demand (implicit ODP); see {@link ImplicitRegistration}.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT` for remote rights, since a peer would reach all memory
   *   of this process; `ERR_UNSUPPORTED`
   */
  registerImplicit(access: readonly Access[]): ImplicitRegistration {
    const local = checked(
      'registerImplicit: access',
      list(
        z.enum(['localWrite', 'onDemand', 'hugePages', 'relaxedOrdering'], {
          error: 'expected only local rights: with a remote right a peer would reach all memory of this process',
        }),
        { most: 64, expected: 'expected an array of access rights' },
      ),
      access,
    )
    const { bits } = rightsOf('registerImplicit', [...local, 'onDemand'])
    this.requireOpen('registerImplicit')
    return new ImplicitRegistration(this, local, callsOf(this).registerImplicit(handleOf(this), bits))
  }

  /**
   * Prefetches the pages of on-demand registrations (ibv_advise_mr(3)).
   *
   * @param advice 'prefetch' (for reading), 'prefetchWrite', or 'prefetchNoFault' (only pages that are present)
   * @param options `flush`: returns when the pages are there, not when they are requested
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED`, `ERR_DOMAIN_MISMATCH`
   */
  advise(
    advice: Advice,
    ranges: readonly AdvisedRange[],
    options: { readonly flush?: boolean | undefined } = {},
  ): void {
    const { number, entries, flush } = understoodAdvice(advice, ranges, options)
    this.requireOpen('advise')
    requireSameDevice(
      'advise',
      this.device,
      entries.map(({ registration }) => registration),
    )
    callsOf(this).advise(
      handleOf(this),
      number,
      flush,
      entries.map(({ registration, offset, length }) => ({ registration: handleOf(registration), offset, length })),
    )
  }

  protected override destroy(): void {
    callsOf(this).freeDomain(handleOf(this))
  }
}
