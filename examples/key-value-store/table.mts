// A table of keys and values, in slots of equal size. The server alone writes it. Clients read slots by RDMA at any time,
// also while the server writes to them, and nothing orders the bytes of such a read: a slot can arrive half old and half
// new. So each slot has a version, which changes with each write, and a checksum that covers the version and the content.
import { crc32 } from 'node:zlib'

export const slotBytes = 4096
const headerBytes = 16
export const longestPair = slotBytes - headerBytes
/** 32-bit words of a slot's header. The version is 0 in an unused slot, and odd while the server writes to the slot. */
const [checksum, version, keyLength, valueLength] = [0, 1, 2, 3]
/** A key is in one of so many slots, in the first that was unused when the key was put for the first time. */
const probes = 8

export interface Pair {
  readonly version: number
  readonly key: string
  readonly value: Buffer
}

export function encodeSlot({ version: written, key, value }: Pair): Buffer {
  const keyBytes = Buffer.from(key)
  const length = keyBytes.length + value.length
  if (length > longestPair) throw new Error(`key and value: expected at most ${longestPair} bytes, received ${length}`)
  const slot = Buffer.concat([Buffer.alloc(headerBytes), keyBytes, value])
  const words = [0, written, keyBytes.length, value.length]
  for (const [index, word] of words.entries()) slot.writeUInt32LE(word, index * 4)
  slot.writeUInt32LE(crc32(slot.subarray(4)), checksum * 4)
  return slot
}

/** The content of a slot. The bytes come from another host: whatever they are, the result is one of these three. */
export function decodeSlot(bytes: Uint8Array): Pair | 'unused' | 'torn' {
  if (bytes.length < headerBytes) return 'torn'
  const slot = Buffer.from(bytes) // a copy, since a receive or a read may write to the memory again
  const word = (index: number) => slot.readUInt32LE(index * 4)
  if (word(version) === 0 && word(checksum) === 0) return 'unused'
  const value = headerBytes + word(keyLength)
  const end = value + word(valueLength)
  if (word(version) % 2 === 1 || end > slot.length || crc32(slot.subarray(4, end)) !== word(checksum)) return 'torn'
  return { version: word(version), key: slot.toString('utf8', headerBytes, value), value: slot.subarray(value, end) }
}

/** The numbers of the slots in which a key may be. */
export function slotsOf(key: string, slots: number): number[] {
  const hash = crc32(key)
  return Array.from({ length: Math.min(probes, slots) }, (_, probe) => (hash + probe) % slots)
}

/** Puts a pair into the table. Returns its new version, or 0 if all slots of the key are used. */
export function putPair(table: Uint8Array, { key, value }: Pair): number {
  for (const number of slotsOf(key, table.length / slotBytes)) {
    const slot = table.subarray(number * slotBytes, (number + 1) * slotBytes)
    const found = decodeSlot(slot)
    if (found === 'torn') throw new Error(`slot ${number} of the table is damaged`)
    if (found !== 'unused' && found.key !== key) continue
    const before = found === 'unused' ? 0 : found.version
    const after = (before + 2) % 2 ** 32 || 2 // 0 is for unused slots
    const words = new Uint32Array(slot.buffer, slot.byteOffset, headerBytes / 4)
    Atomics.store(words, version, before + 1)
    slot.set(encodeSlot({ version: before + 1, key, value }))
    const encoded = encodeSlot({ version: after, key, value })
    Atomics.store(words, checksum, encoded.readUInt32LE(checksum * 4))
    Atomics.store(words, version, after)
    return after
  }
  return 0
}
