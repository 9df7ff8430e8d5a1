import { PinfoldError } from '../errors.js'
import type { GidEntry } from './contract/device-attributes.js'
import { fullGid, isGroup, isMapped } from './contract/gids.js'

/** Bytes that stand before a datagram: a global route header. */
export const headerBytes = 40

/** The contents of the header before a datagram. */
interface DatagramWay {
  /** GIDs, in the full spelling. */
  readonly source: string
  readonly destination: string
  readonly trafficClass: number
  readonly flowLabel: number
  /** The types of GID that are used with such a header. */
  readonly types: readonly GidEntry['type'][]
}

const udp = 17
/** The next header of a global route header of InfiniBand or RoCE v1 (IBTA 8.3). */
const infiniBand = 0x1b

/**
 * Reads the header: a global route header or the IPv6 header of RoCE v2, which have the same layout, or the IPv4 header of
 * RoCE v2 in the last 20 bytes (IBTA annex A17).
 *
 * @param bytes 40 bytes that no other thread writes to
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function readDatagramHeader(subject: string, bytes: Uint8Array): DatagramWay {
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes)
  const first = view.getUint32(0)
  const isVersion6 = first >>> 28 === 6
  if (hasIpv4(view, isVersion6)) {
    return {
      source: mapped(bytes.subarray(32, 36)),
      destination: mapped(bytes.subarray(36, 40)),
      trafficClass: view.getUint8(21),
      flowLabel: 0,
      types: ['RoCE v2', 'unknown'],
    }
  }
  const next = view.getUint8(6)
  if (!isVersion6 || (next !== udp && next !== infiniBand)) {
    throw new PinfoldError(`${subject}: header: expected the ${headerBytes} bytes that stand before a datagram`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { version: first >>> 28, nextHeader: next },
    })
  }
  return {
    source: fullGid(hex(bytes.subarray(8, 24))),
    destination: fullGid(hex(bytes.subarray(24, 40))),
    trafficClass: (first >>> 20) & 0xff,
    flowLabel: first & 0xf_ffff,
    types: next === udp ? ['RoCE v2', 'unknown'] : ['IB', 'RoCE v1', 'unknown'],
  }
}

/**
 * The GID of a port from which an answer is sent: the GID that the datagram was sent to. A datagram to a group does not name
 * one of ours; then any GID of the same address family can answer.
 */
export function answeringGid(gids: readonly GidEntry[], port: number, way: DatagramWay): GidEntry | undefined {
  const usable = gids.filter((entry) => entry.port === port && way.types.includes(entry.type))
  return isToGroup(way)
    ? usable.find(({ gid }) => isMapped(gid) === isMapped(way.source))
    : usable.find(({ gid }) => gid === way.destination)
}

/** A multicast GID, or an IPv4 address of class D: 224.0.0.0/4. */
function isToGroup({ destination }: DatagramWay): boolean {
  return isGroup(destination) || (isMapped(destination) && destination.at(30) === 'e')
}

/**
 * Whether an IPv4 header without options stands in the last 20 bytes. The bytes before it are undefined, and may look like
 * version 6; then the checksum decides, as in rdma-core (get_grh_header_version).
 */
function hasIpv4(view: DataView, isVersion6: boolean): boolean {
  if (view.getUint8(20) !== 0x45) return false
  return !isVersion6 || onesComplementSum(view, 20) === 0xffff
}

/** The sum that is all ones where a header's checksum is right (RFC 791). */
function onesComplementSum(view: DataView, at: number): number {
  let sum = 0
  for (let offset = at; offset < at + 20; offset += 2) sum += view.getUint16(offset)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

function mapped(address: Uint8Array): string {
  return fullGid(`${'0'.repeat(20)}ffff${hex(address)}`)
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
