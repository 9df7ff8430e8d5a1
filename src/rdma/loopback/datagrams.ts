import type { PathAttributes } from '../contract/device-calls.js'
import { isGroup } from '../contract/gids.js'
import { completionFlags, requestOpcodes, sendFlags } from '../contract/operations.js'
import { queuePairTypes } from '../contract/states.js'
import type { QueuePairEndpoint } from './records.js'
import { accept, isReceiving } from './responder.js'
import type { LoadedSend } from './send-request.js'
import { groupNumber, loopbackGid, wire } from './wire.js'

/** Bytes of payload in a packet of the port. */
export const portMtu = 4096
const headerBytes = 40

/**
 * Delivers a datagram to its receivers. The sender gets no answer. A datagram with a wrong key, without a receive (IBTA
 * 9.8.3), or longer than a packet (C10-93.1.1) is dropped.
 */
export function sendDatagram(
  queuePair: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  const { path, local } = send
  if (path === undefined || local.total > portMtu) return
  // A key with the high bit set stands for the key of the sending queue pair (IBTA 10.2.5).
  const key = send.remoteKey >= 2 ** 31 ? queuePair.attributes.queueKey : send.remoteKey
  const { gid } = path.attributes
  const hasImmediate = send.opcode === requestOpcodes.byName.sendWithImmediate
  const message = {
    source: queuePair,
    bytes: local,
    length: local.total,
    flags: hasImmediate ? completionFlags.immediate : 0,
    immediate: hasImmediate ? send.immediate : 0,
    solicited: (send.flags & sendFlags.solicited) !== 0,
    header: header(path.attributes, gid, wireBytes(local.total, hasImmediate)),
  }
  for (const target of receivers(gid, send.remoteQueuePair)) {
    if (target.request.type !== queuePairTypes.byName.UD || !isReceiving(target)) continue
    if (target.attributes.queueKey !== key) continue
    accept(target, message, { status: 0, vendorError: 0 }, fail)
  }
}

function receivers(gid: string, number: number): Iterable<QueuePairEndpoint> {
  if (isGroup(gid) && number === groupNumber) return wire.group(gid)
  const target = wire.queuePair(number)
  return target === undefined ? [] : [target]
}

/** Bytes of a RoCE v2 packet after the IPv6 header: UDP, BTH, DETH, the immediate data, payload, padding, ICRC. */
function wireBytes(payload: number, hasImmediate: boolean): number {
  return 8 + 12 + 8 + (hasImmediate ? 4 : 0) + Math.ceil(payload / 4) * 4 + 4
}

/** The header before a datagram in RoCE v2: its IPv6 header, with UDP as the next header (IBTA annex A17). */
function header({ trafficClass, flowLabel, hopLimit }: PathAttributes, gid: string, length: number): Uint8Array {
  const udp = 17
  const bytes = new Uint8Array(headerBytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 6 * 2 ** 28 + trafficClass * 2 ** 20 + flowLabel)
  view.setUint16(4, length)
  view.setUint8(6, udp)
  view.setUint8(7, hopLimit)
  writeGid(view, 8, loopbackGid())
  writeGid(view, 24, gid)
  return bytes
}

function writeGid(view: DataView, at: number, gid: string): void {
  for (const [index, group] of gid.split(':').entries()) view.setUint16(at + index * 2, Number.parseInt(group, 16))
}
