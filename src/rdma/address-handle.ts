import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject, optionsOf } from '../options.js'
import type { Completion } from './completion.js'
import type { Handle, PathAttributes } from './contract/device-calls.js'
import { formatGid, gidOption } from './contract/gids.js'
import { byte, positiveCount, whole, word16 } from './contract/number-options.js'
import { answeringGid, headerBytes, readDatagramHeader } from './datagram-header.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf } from './device-object.js'
import type { ProtectionDomain } from './protection-domain.js'

const pathOptions = later(() =>
  optionsOf<PathOptions>()({
    gid: z.optional(gidOption),
    gidIndex: z.optional(byte),
    hopLimit: z.optional(byte),
    trafficClass: z.optional(byte),
    flowLabel: z.optional(whole(0, 2 ** 20 - 1)),
    lid: z.optional(word16),
    serviceLevel: z.optional(whole(0, 15)),
    pathBits: z.optional(whole(0, 127)),
    port: z.optional(positiveCount),
  }),
)

/** A path to a peer (`struct ibv_ah_attr`). */
export interface PathOptions {
  /** The GID of the peer. RoCE and paths through routers need it. Without a GID the path is a `lid` of this subnet. */
  readonly gid?: string | undefined
  /** The index of our GID that sends. With RoCE it chooses the version and the network. Default: the best GID. */
  readonly gidIndex?: number | undefined
  /** The most routers on the path, 0 to 255. Default: 64. */
  readonly hopLimit?: number | undefined
  /** The traffic class of the IPv6 header, or the type of service of the IPv4 header, 0 to 255. Default: 0. */
  readonly trafficClass?: number | undefined
  /** The flow label of the IPv6 header, 20 bits. Default: 0. */
  readonly flowLabel?: number | undefined
  /** InfiniBand: the peer's address within the subnet, 16 bits. Default: 0. */
  readonly lid?: number | undefined
  /** InfiniBand: the service level, 0 to 15. Default: 0. */
  readonly serviceLevel?: number | undefined
  /** InfiniBand: the bits of our own address that choose one of several paths, 0 to 127. Default: 0. */
  readonly pathBits?: number | undefined
  /** Our port. Default: 1. */
  readonly port?: number | undefined
}

/** The options with all defaults filled in. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
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

const datagram = 'expected the completion of a datagram that was received'
const receivedDatagram = later(() =>
  z.object(
    {
      ok: z.literal(true, { error: datagram }),
      sourceQueuePair: whole(1, 2 ** 24 - 1),
      hasHeader: z.boolean(),
      sourceLid: word16,
      serviceLevel: whole(0, 15),
      pathBits: whole(0, 127),
    },
    { error: datagram },
  ),
)
const headerArgument = later(() =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength >= headerBytes, {
    error: `expected a Uint8Array of the ${headerBytes} bytes before the datagram`,
  }),
)
const answerOptions = later(() => optionsObject({ port: z.optional(positiveCount) }))

/**
 * The path back to the sender of a datagram: ibv_init_ah_from_wc(3).
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`
 */
export function answerPath(
  subject: string,
  device: Device,
  completion: Completion,
  header: Uint8Array,
  options: { readonly port?: number | undefined },
): PathOptions {
  const received = checked(`${subject}: completion`, receivedDatagram, completion)
  // A copy, since the memory may be received into again.
  const bytes = Uint8Array.prototype.slice.call(checked(`${subject}: header`, headerArgument, header), 0, headerBytes)
  const { port = 1 } = checked(subject, answerOptions, options)
  const { sourceLid: lid, serviceLevel, pathBits } = received
  if (!received.hasHeader) return { lid, serviceLevel, pathBits, port }
  const way = readDatagramHeader(subject, bytes)
  const own = answeringGid(device.gids, port, way)
  if (own === undefined) {
    const [to, from] = [formatGid(way.destination), formatGid(way.source)]
    throw new PinfoldError(`${subject}: port ${port} of ${device.name} has no GID ${to}, to which ${from} has sent`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { device: device.name, port, destination: to, source: from },
    })
  }
  const { source: gid, trafficClass, flowLabel } = way
  // The rest of the sender's hop limit says nothing about the path back. The kernel takes the highest limit, too.
  return { gid, gidIndex: own.index, hopLimit: 255, trafficClass, flowLabel, lid, serviceLevel, pathBits, port }
}

/** A path of datagrams (ibv_ah). Requests name it. It must stay open until they have completed. */
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
    callsOf(this).destroyAddressHandle(handleOf(this))
  }
}
