import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { formatAddress } from '../addresses.js'
import { filledRange, type MemoryRange, memoryOption, type RegionMemory } from '../memory/region-memory.js'
import type { RegionRegistration, RegisteredRange } from '../memory/region-registration.js'
import { checked, checkRange, later, optionsObject } from '../options.js'
import { formatSize } from '../sizes.js'
import { type Access, accessBits, accessOption } from './contract/access-flags.js'
import type { RegisteredKeys } from './contract/device-calls.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf, requireSameDevice } from './device-object.js'
import type { MemoryWindow } from './memory-window.js'
import { deviceObject, isObjectOfKind } from './object-checks.js'
import type { ProtectionDomain } from './protection-domain.js'
import { RegistrationSlice } from './registration-slice.js'
import { describeMemory, type RemoteMemoryDescription } from './remote-memory.js'

const reregisterOptions = later(() =>
  optionsObject({
    domain: z.optional(deviceObject('domain')),
    memory: z.optional(memoryOption),
    access: z.optional(accessOption),
  }),
)

/** The changes of `reregister`. Whatever is left out stays as it is. */
export interface ReregisterOptions {
  readonly domain?: ProtectionDomain | undefined
  readonly memory?: RegionMemory | undefined
  readonly access?: readonly Access[] | undefined
}

/** The memory that was registered. */
export type RegistrationSource =
  | { readonly kind: 'region'; readonly memory: MemoryRange }
  | { readonly kind: 'device memory' | 'dma-buf' | 'null'; readonly length: number }

const noWindows: ReadonlySet<MemoryWindow> = new Set()

let registrations = 0

/**
 * Calls `listener` with the range of a region that a registration covers: now, and after each `reregister` that changes
 * it. Never, for memory of no region.
 */
export let followRange: (registration: Registration, listener: (range: RegisteredRange) => void) => void

/**
 * Memory that a device may use: verbs calls it a memory region (ibv_mr). `registry.register` makes it, or the domain for
 * memory of no region.
 *
 * It keeps its region open until it is closed, so the device never reaches memory that was freed.
 */
export class Registration extends DeviceObject implements RegionRegistration {
  #domain: ProtectionDomain
  #access: readonly Access[]
  #source: RegistrationSource
  #keys: RegisteredKeys
  #generation: number
  #releaseRegion: () => void
  #windows: Set<MemoryWindow> | undefined
  #whole: RegistrationSlice | undefined
  #onRange: ((range: RegisteredRange) => void) | undefined

  static {
    followRange = (registration, listener) => {
      registration.#onRange = listener
      registration.#tellRange()
    }
  }

  /** Made by `registry.register` and by ProtectionDomain. */
  constructor(
    domain: ProtectionDomain,
    parents: readonly DeviceObject[],
    source: RegistrationSource,
    access: readonly Access[],
    keys: RegisteredKeys,
  ) {
    super('registration', keys.handle, [domain, ...parents])
    this.#domain = domain
    this.#source = source
    this.#access = [...access]
    this.#keys = keys
    this.#generation = ++registrations
    try {
      this.#releaseRegion = this.#holdRegion(source)
    } catch (error) {
      // Its region is about to close. The caller deregisters it at the device.
      this.leaveParents()
      throw error
    }
  }

  get device(): Device {
    return this.#domain.device
  }

  get domain(): ProtectionDomain {
    return this.#domain
  }

  /** The kind of memory: of a region, device memory, a dma-buf, or none (null). */
  get source(): RegistrationSource['kind'] {
    return this.#source.kind
  }

  /** The name of its region; undefined for memory of no region. */
  get regionName(): string | undefined {
    return this.#source.kind === 'region' ? this.#source.memory.core.name : undefined
  }

  /** Where it starts in its region, in bytes; 0 for memory of no region. */
  get offset(): number {
    return this.#source.kind === 'region' ? this.#source.memory.offset : 0
  }

  /** Bytes, exactly as many as were requested. */
  get length(): number {
    return this.#source.kind === 'region' ? this.#source.memory.length : this.#source.length
  }

  /** IOVA of its first byte, for peers: the virtual address unless another was chosen. */
  get address(): bigint {
    return this.#keys.address
  }

  get access(): readonly Access[] {
    return this.#access
  }

  /** Local key, 32 bits. Requests name the registration itself, so programs seldom need the key. */
  get lkey(): number {
    return this.#keys.lkey
  }

  /** Remote key, 32 bits. No log and no inspection shows it. */
  get rkey(): number {
    return this.#keys.rkey
  }

  /** Its number among the registrations of this thread; it changes with `reregister`. */
  get generation(): number {
    return this.#generation
  }

  /** @internal The windows that are bound to it. */
  get windows(): Set<MemoryWindow> {
    this.#windows ??= new Set()
    return this.#windows
  }

  /** @internal The slice that covers it. */
  get whole(): RegistrationSlice {
    this.#whole ??= new RegistrationSlice(this, 0, this.length)
    return this.#whole
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED` */
  describe(): RemoteMemoryDescription {
    this.requireOpen('describe')
    return describeMemory(this.address, this.length, this.rkey, this.generation)
  }

  /** A range of it, for work requests; without a length, to the end. @throws PinfoldError `ERR_OUT_OF_RANGE` */
  slice(offset: number, length = this.length - offset): RegistrationSlice {
    checkRange('slice', offset, length, this.length)
    return new RegistrationSlice(this, offset, length)
  }

  /**
   * Changes its memory, domain or rights without closing it (ibv_rereg_mr(3)). Its keys may change, too.
   *
   * @throws PinfoldError `ERR_UNSUPPORTED` if the provider cannot do it, `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`,
   *   `ERR_DOMAIN_MISMATCH`, `ERR_REGION_CLOSED`; nothing is changed then
   */
  reregister(options: ReregisterOptions): void {
    const { domain, memory, access } = checked('reregister', reregisterOptions, options)
    this.requireOpen('reregister')
    if (domain !== undefined) requireSameDevice('reregister', this.device, [domain])
    const range = memory === undefined ? undefined : filledRange('reregister', memory)
    const bits = access === undefined ? undefined : accessBits('reregister', access)
    const source = range === undefined ? undefined : ({ kind: 'region', memory: range } as const)
    const hold = source === undefined ? undefined : this.#holdRegion(source)
    try {
      this.#keys = callsOf(this).reregister(handleOf(this), {
        ...(domain === undefined ? {} : { domain: handleOf(domain) }),
        ...(range === undefined ? {} : { memory: range }),
        ...(bits === undefined ? {} : { access: bits }),
      })
    } catch (error) {
      hold?.()
      throw error
    }
    this.#generation = ++registrations
    if (access !== undefined) this.#access = [...access]
    if (domain !== undefined) {
      this.exchangeParent(this.#domain, domain)
      this.#domain = domain
    }
    if (source !== undefined && hold !== undefined) {
      const release = this.#releaseRegion
      this.#source = source
      this.#whole = undefined
      this.#releaseRegion = hold
      release()
      this.#tellRange()
    }
  }

  protected override get boundObjects(): ReadonlySet<DeviceObject> {
    return this.#windows ?? noWindows
  }

  protected override destroy(): void {
    callsOf(this).deregister(handleOf(this))
    this.#releaseRegion()
  }

  #tellRange(): void {
    if (this.#source.kind !== 'region') return
    this.#onRange?.({ ...this.#source.memory, release: this.#releaseRegion })
  }

  #holdRegion(source: RegistrationSource): () => void {
    if (source.kind !== 'region') return () => {}
    return source.memory.core.hold(() => `${this.label} with ${this.device.name}`)
  }

  override [inspect.custom](): string {
    const of = this.regionName === undefined ? this.source : `region '${this.regionName}'`
    const state = this.closed ? 'closed' : `at ${formatAddress(this.address)}`
    const rights = this.#access.length > 0 ? this.#access.join(', ') : 'read by this process only'
    return `Registration of ${of} with ${this.device.name} { ${formatSize(this.length)}, ${state}, ${rights} }`
  }
}

export function isRegistration(value: unknown): value is Registration {
  return isObjectOfKind(value, 'registration')
}
