import { completionFlags, requestOpcodes } from '../../contract/operations.js'
import { queuePairTypes } from '../../contract/states.js'
import { longestEntry } from '../send-request.js'

// The frames between two loopbacks. Each frame begins with its length in bytes, itself included; all numbers have 32
// bits unless said otherwise, the lowest byte first. A connection begins with a greeting of each side. After that, the
// side that has connected sends requests, and the other side answers each of them, in order. A message of a work request
// is sent in packets of `packetBytes`. Everything from the peer is checked here before it is used.

const opcodes = requestOpcodes.byName
const { RC, UC, UD } = queuePairTypes.byName

/** The highest number of `enum ibv_wc_status` that is a failure: IBV_WC_TM_ERR. */
const lastStatus = 22

/** The most bytes of a message in one packet. */
export const packetBytes = 64 * 1024
/** The most bytes of a datagram. */
const datagramBytes = 4096

export const requestHeaderBytes = 64
export const answerHeaderBytes = 16
export const greetingBytes = 32
const mark = 0x646c6670 // 'pfld'
const version = 1

/** A request packet. */
export interface RequestPacket {
  /** Of the work request: `enum ibv_wr_opcode`. */
  readonly opcode: number
  /** Of the sending queue pair: `enum ibv_qp_type`. */
  readonly type: number
  readonly isSolicited: boolean
  readonly target: number
  readonly source: number
  /** The packet's place in the sequence of its queue pair, modulo 2^32. */
  readonly sequence: number
  /** Bytes of the message; where this packet starts in it; and bytes of this packet. A read asks for these bytes. */
  readonly total: number
  readonly offset: number
  readonly length: number
  /** Where a one-sided message starts. For a datagram, `rkey` is its queue key. */
  readonly rkey: number
  readonly low: number
  readonly high: number
  /** Immediate data, or the key that a send invalidates. */
  readonly immediate: number
  /** Operands of an atomic. For a datagram: the flow label, the traffic class and the hop limit of its path. */
  readonly compareLow: number
  readonly compareHigh: number
  readonly swapLow: number
  readonly swapHigh: number
}

/** What became of a request packet. */
export const answerKinds = { done: 0, refused: 1, noReceive: 2, noAnswer: 3 } as const

export interface AnswerPacket {
  readonly kind: number
  /** 'noReceive': the code of the delay that the peer asks for (QueuePairChange.minRnrTimer). */
  readonly delay: number
  /** 'refused': a number of `enum ibv_wc_status`. */
  readonly status: number
  readonly vendorError: number
  /** 'done': the bytes of a read, or the former value of an atomic. */
  readonly payload: Uint8Array
}

/** A frame with room for a payload, from byte `requestHeaderBytes` on. */
export function requestFrame(packet: RequestPacket): Buffer {
  const payload = carriesBytes(packet.opcode) ? packet.length : 0
  const frame = Buffer.allocUnsafe(requestHeaderBytes + payload)
  const words = [
    frame.length,
    packet.opcode | (packet.type << 8) | (Number(packet.isSolicited) << 16),
    packet.target,
    packet.source,
    packet.sequence,
    packet.total,
    packet.offset,
    packet.length,
    packet.rkey,
    packet.low,
    packet.high,
    packet.immediate,
    packet.compareLow,
    packet.compareHigh,
    packet.swapLow,
    packet.swapHigh,
  ]
  for (let index = 0; index < words.length; index++) frame.writeUInt32LE(words[index] ?? 0, index * 4)
  return frame
}

/** Reads a request. @returns undefined when it is one that no loopback sends */
export function readRequest(frame: Buffer): RequestPacket | undefined {
  if (frame.length < requestHeaderBytes) return undefined
  const word = (index: number) => frame.readUInt32LE(index * 4)
  const packet = {
    opcode: frame.readUInt8(4),
    type: frame.readUInt8(5),
    isSolicited: frame.readUInt8(6) === 1,
    target: word(2),
    source: word(3),
    sequence: word(4),
    total: word(5),
    offset: word(6),
    length: word(7),
    rkey: word(8),
    low: word(9),
    high: word(10),
    immediate: word(11),
    compareLow: word(12),
    compareHigh: word(13),
    swapLow: word(14),
    swapHigh: word(15),
  }
  return isPossible(packet, frame.length - requestHeaderBytes) ? packet : undefined
}

function isPossible({ opcode, type, total, offset, length, low }: RequestPacket, payload: number): boolean {
  if (!isSent(opcode, type)) return false
  if (total > longestEntry || length > packetBytes || offset + length > total) return false
  // Every packet but the last is full.
  if (offset % packetBytes !== 0 || length !== Math.min(packetBytes, total - offset)) return false
  if (total > 0 && length === 0) return false
  if (payload !== (carriesBytes(opcode) ? length : 0)) return false
  if (isAtomic(opcode)) return total === 8 && low % 8 === 0
  return type !== UD || total <= datagramBytes
}

/** Whether queue pairs of this type send packets of this operation. Binds and local invalidates are never sent. */
function isSent(opcode: number, type: number): boolean {
  const { send, sendWithImmediate, sendWithInvalidate, write, writeWithImmediate } = opcodes
  if (opcode === send || opcode === sendWithImmediate) return type === RC || type === UC || type === UD
  if (opcode === write || opcode === writeWithImmediate) return type === RC || type === UC
  return type === RC && (opcode === opcodes.read || opcode === sendWithInvalidate || isAtomic(opcode))
}

export function isAtomic(opcode: number): boolean {
  return opcode === opcodes.compareAndSwap || opcode === opcodes.fetchAndAdd
}

/** Whether the packets of an operation contain bytes of the sender. */
export function carriesBytes(opcode: number): boolean {
  return opcode !== opcodes.read && !isAtomic(opcode)
}

/** Flags of the completion of a message: IBV_WC_ */
export function messageFlags(opcode: number): number {
  if (opcode === opcodes.sendWithImmediate || opcode === opcodes.writeWithImmediate) return completionFlags.immediate
  return opcode === opcodes.sendWithInvalidate ? completionFlags.invalidated : 0
}

export function answerFrame(kind: number, delay: number, status: number, vendorError: number, payload: number): Buffer {
  const frame = Buffer.allocUnsafe(answerHeaderBytes + payload)
  frame.writeUInt32LE(frame.length, 0)
  frame.writeUInt32LE(kind | (delay << 8), 4)
  frame.writeUInt32LE(status, 8)
  frame.writeUInt32LE(vendorError, 12)
  return frame
}

/** Reads an answer. @returns undefined when it is one that no loopback sends */
export function readAnswer(frame: Buffer): AnswerPacket | undefined {
  if (frame.length < answerHeaderBytes) return undefined
  const kind = frame.readUInt8(4)
  const delay = frame.readUInt8(5)
  const payload = frame.subarray(answerHeaderBytes)
  if (kind > answerKinds.noAnswer || delay > 31) return undefined
  if (kind !== answerKinds.done && payload.length > 0) return undefined
  const status = frame.readUInt32LE(8)
  if (kind === answerKinds.refused && (status === 0 || status > lastStatus)) return undefined
  return { kind, delay, status, vendorError: frame.readUInt32LE(12), payload }
}

/** The first frame of each side: who it is. */
export function greetingFrame(gid: string): Buffer {
  const frame = Buffer.alloc(greetingBytes)
  frame.writeUInt32LE(greetingBytes, 0)
  frame.writeUInt32LE(mark, 4)
  frame.writeUInt32LE(version, 8)
  frame.write(gid.replaceAll(':', ''), 16, 'hex')
  return frame
}

/** The GID of a greeting, as 32 digits; undefined when it is none, or of another version. */
export function readGreeting(frame: Buffer): string | undefined {
  if (frame.length !== greetingBytes || frame.readUInt32LE(4) !== mark) return undefined
  return frame.readUInt32LE(8) === version ? frame.toString('hex', 16, 32) : undefined
}
