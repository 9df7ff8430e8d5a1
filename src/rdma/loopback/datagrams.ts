import { completionFlags, requestOpcodes, sendFlags } from '../operations.js'
import { queuePairTypes } from '../states.js'
import type { QueuePairEndpoint } from './objects.js'
import { accept, isReceiving } from './responder.js'
import type { LoadedSend } from './send-request.js'
import { loopbackGid, wire } from './wire.js'

/** Bytes of payload that the port carries in a packet. */
export const portMtu = 4096
const headerBytes = 40

/**
 * Delivers a datagram to whoever it is for. Nobody tells the sender what became of it: a wrong key, or a missing
 * receive, drops it (IBTA 9.8.3), and so does a length of more than a packet (C10-93.1.1).
 */
export function sendDatagram(
  queuePair: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  const { path, local } = send
  if (path === undefined || local.total > portMtu) return
  // A key with its high bit set stands for the queue pair's own (IBTA 10.2.5).
  const key = send.remoteKey >= 2 ** 31 ? queuePair.attributes.queueKey : send.remoteKey
  const { gid } = path.attributes
  const message = {
    source: queuePair,
    bytes: local,
    length: local.total,
    flags: send.opcode === requestOpcodes.byName.sendWithImmediate ? completionFlags.immediate : 0,
    immediate: send.opcode === requestOpcodes.byName.sendWithImmediate ? send.immediate : 0,
    solicited: (send.flags & sendFlags.solicited) !== 0,
    header: header(local.total, gid, path.attributes.hopLimit),
  }
  for (const target of receivers(gid, send.remoteQueuePair)) {
    if (target.request.type !== queuePairTypes.byName.UD || !isReceiving(target)) continue
    if (target.attributes.queueKey !== key) continue
    accept(target, message, { status: 0, vendorError: 0 }, fail)
  }
}

function receivers(gid: string, number: number): Iterable<QueuePairEndpoint> {
  if (gid.startsWith('ff')) return wire.group(gid)
  const target = gid === loopbackGid ? wire.queuePair(number) : undefined
  return target === undefined ? [] : [target]
}

/** The global route header (IBTA 8.3): an IPv6 header, whose next header 0x1b says that a transport header follows. */
function header(length: number, gid: string, hopLimit: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, 6 << 4)
  view.setUint16(4, length)
  view.setUint8(6, 0x1b)
  view.setUint8(7, hopLimit)
  writeGid(view, 8, loopbackGid)
  writeGid(view, 24, gid)
  return bytes
}

function writeGid(view: DataView, at: number, gid: string): void {
  for (const [index, group] of gid.split(':').entries()) view.setUint16(at + index * 2, Number.parseInt(group, 16))
}
