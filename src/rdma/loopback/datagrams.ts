import { PinfoldError } from '../../errors.js'
import type { PathAttributes } from '../contract/device-calls.js'
import { isGroup } from '../contract/gids.js'
import { completionFlags, requestOpcodes, sendFlags } from '../contract/operations.js'
import { queuePairTypes } from '../contract/states.js'
import type { OutgoingLink } from './network/outgoing-link.js'
import { linkTo } from './network/outgoing-links.js'
import { messageFlags, type RequestPacket, requestFrame, requestHeaderBytes } from './network/packets.js'
import type { Path, QueuePairEndpoint } from './records.js'
import { accept, isReceiving, type Message } from './responder.js'
import { Segments } from './segments.js'
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
  if (path.link !== undefined) {
    sendAway(queuePair, send, path, key)
    return
  }
  const hasImmediate = send.opcode === requestOpcodes.byName.sendWithImmediate
  const message = {
    source: queuePair,
    bytes: local,
    length: local.total,
    flags: hasImmediate ? completionFlags.immediate : 0,
    immediate: hasImmediate ? send.immediate : 0,
    solicited: (send.flags & sendFlags.solicited) !== 0,
    header: header(path.attributes, loopbackGid(), gid, wireBytes(local.total, hasImmediate)),
  }
  for (const target of receivers(gid, send.remoteQueuePair)) receive(target, key, message, fail)
}

function receive(
  target: QueuePairEndpoint,
  key: number,
  message: Message,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  if (target.request.type !== queuePairTypes.byName.UD || !isReceiving(target)) return
  if (target.attributes.queueKey === key) accept(target, message, { status: 0, vendorError: 0 }, fail)
}

/** Sends a datagram to another thread or process. It is dropped if the peer is gone, or does not keep up. */
function sendAway(queuePair: QueuePairEndpoint, send: LoadedSend, path: Path, key: number): void {
  const link = linkOf(path)
  if (link === undefined || !link.hasRoomForDatagrams) return
  const { attributes } = path
  const frame = requestFrame({
    opcode: send.opcode,
    type: queuePairTypes.byName.UD,
    isSolicited: (send.flags & sendFlags.solicited) !== 0,
    target: send.remoteQueuePair,
    source: queuePair.number,
    sequence: 0,
    total: send.local.total,
    offset: 0,
    length: send.local.total,
    rkey: key,
    low: 0,
    high: 0,
    immediate: send.immediate,
    compareLow: attributes.flowLabel,
    compareHigh: attributes.trafficClass,
    swapLow: attributes.hopLimit,
    swapHigh: 0,
  })
  frame.set(send.local.keep(), requestHeaderBytes)
  link.sendDatagram(frame)
}

/** The link of a path, which is opened again if it was lost. */
function linkOf(path: Path): OutgoingLink | undefined {
  if (path.link?.isLost === false) return path.link
  try {
    path.link = linkTo('ibv_post_send', path.attributes.gid).use()
    return path.link
  } catch (error) {
    if (error instanceof PinfoldError) return undefined // the peer is gone, and nobody tells the sender of a datagram
    throw error
  }
}

/** Delivers a datagram of another thread or process. */
export function deliver(
  gid: string,
  packet: RequestPacket,
  payload: Buffer,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  const target = wire.queuePair(packet.target)
  if (target === undefined) return
  const { context } = target
  const bytes = new Segments(context.scratch.copies)
  bytes.add(payload, 0, payload.length)
  const flags = messageFlags(packet.opcode)
  const path = {
    flowLabel: packet.compareLow & 0xf_ffff,
    trafficClass: packet.compareHigh & 0xff,
    hopLimit: packet.swapLow & 0xff,
  }
  const message = {
    source: { number: packet.source, context },
    bytes,
    length: packet.total,
    flags,
    immediate: flags === 0 ? 0 : packet.immediate,
    solicited: packet.isSolicited,
    header: header(path, gid, loopbackGid(), wireBytes(packet.total, flags !== 0)),
  }
  receive(target, packet.rkey, message, fail)
  context.scratch.settle()
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
function header(
  { trafficClass, flowLabel, hopLimit }: Pick<PathAttributes, 'trafficClass' | 'flowLabel' | 'hopLimit'>,
  source: string,
  target: string,
  length: number,
): Uint8Array {
  const udp = 17
  const bytes = new Uint8Array(headerBytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 6 * 2 ** 28 + trafficClass * 2 ** 20 + flowLabel)
  view.setUint16(4, length)
  view.setUint8(6, udp)
  view.setUint8(7, hopLimit)
  writeGid(view, 8, source)
  writeGid(view, 24, target)
  return bytes
}

function writeGid(view: DataView, at: number, gid: string): void {
  for (const [index, group] of gid.split(':').entries()) view.setUint16(at + index * 2, Number.parseInt(group, 16))
}
