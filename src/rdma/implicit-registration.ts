import { filledRange, type RegionMemory } from '../memory/region-memory.js'
import type { Access } from './contract/access-flags.js'
import type { RegisteredKeys } from './contract/device-calls.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf } from './device-object.js'
import type { ProtectionDomain } from './protection-domain.js'
import { Registration } from './registration.js'

/**
 * The whole address space, registered once with on-demand paging. Registering a part of it then needs no call of the device.
 * Work requests reach memory only through `cover`, so that they stay inside regions.
 */
export class ImplicitRegistration extends DeviceObject {
  readonly domain: ProtectionDomain
  readonly access: readonly Access[]

  /** Made by `domain.registerImplicit()`. */
  constructor(domain: ProtectionDomain, access: readonly Access[], keys: RegisteredKeys) {
    super('implicit registration', keys.handle, [domain])
    this.domain = domain
    this.access = [...access]
  }

  get device(): Device {
    return this.domain.device
  }

  /**
   * Registers a region, or a part of one, under the key of this registration. The result keeps the region open.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED`
   */
  cover(memory: RegionMemory): Registration {
    this.requireOpen('cover')
    const range = filledRange('cover', memory)
    const keys = callsOf(this).cover(handleOf(this), range)
    try {
      return new Registration(this.domain, [this], { kind: 'region', memory: range }, this.access, keys)
    } catch (error) {
      callsOf(this).deregister(keys.handle)
      throw error
    }
  }

  protected override destroy(): void {
    callsOf(this).deregister(handleOf(this))
  }
}
