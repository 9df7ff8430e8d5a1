import * as z from 'zod'
import { checked, optionsObject } from '../options.js'
import type { Device } from './device.js'
import type { Handle, PathAttributes } from './device-calls.js'
import { DeviceObject } from './device-object.js'
import { gidOption } from './gids.js'
import { byte, positiveCount, whole, word16 } from './numbers.js'
import type { ProtectionDomain } from './protection-domain.js'

const pathOptions = z.lazy(() =>
  optionsObject({
    gid: gidOption.optional(),
    gidIndex: byte.optional(),
    hopLimit: byte.optional(),
    trafficClass: byte.optional(),
    flowLabel: whole(0, 2 ** 20 - 1).optional(),
    lid: word16.optional(),
    serviceLevel: whole(0, 15).optional(),
    pathBits: whole(0, 127).optional(),
    port: positiveCount.optional(),
  }),
)

/**
 * A way to a peer (`struct ibv_ah_attr`).
 *
 * - `gid`: the peer's; always with RoCE, and through routers. Without one the way is a `lid` of this subnet.
 * - `gidIndex`: which of our GIDs sends; with RoCE it chooses the version, and the network. The best by default.
 * - `hopLimit`: routers on the way, 64 by default; `trafficClass`, `flowLabel`: of the IPv6 or IPv4 header.
 * - `lid`, `serviceLevel`, `pathBits`: InfiniBand's.
 * - `port`: our port, 1 by default.
 */
export type PathOptions = Readonly<z.input<typeof pathOptions>>

/** The options with what was left out. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function pathAttributes(subject: string, device: Device, options: PathOptions): PathAttributes {
  const given = checked(subject, pathOptions, options)
  const { gid = '', port = 1 } = given
  return {
    gid,
    gidIndex: given.gidIndex ?? (gid === '' ? 0 : device.bestGid(port).index),
    hopLimit: given.hopLimit ?? 64,
    trafficClass: given.trafficClass ?? 0,
    flowLabel: given.flowLabel ?? 0,
    lid: given.lid ?? 0,
    serviceLevel: given.serviceLevel ?? 0,
    pathBits: given.pathBits ?? 0,
    port,
  }
}

/** A way that datagrams can take (ibv_ah). Requests name it; it must stay open until they have completed. */
export class AddressHandle extends DeviceObject {
  readonly domain: ProtectionDomain

  /** Made by `domain.createAddressHandle()`. */
  constructor(domain: ProtectionDomain, handle: Handle) {
    super('address handle', handle, [domain])
    this.domain = domain
  }

  get device(): Device {
    return this.domain.device
  }

  protected override destroy(): void {
    this.device.calls.destroyAddressHandle(this.handle)
  }
}
