// Frames: an Ethernet header of 14 bytes, then an IPv4 header of 20 (RFC 791, 3.1).

// Offsets in a frame.
const [etherType, ipv4, source] = [12, 14, 26]
export const [timeToLive, checksum, destination] = [22, 24, 30]
export const frameBytes = 60

/** The one's complement sum of an IPv4 header: 0xffff if its checksum is right (RFC 1071). */
export function headerSum(frames: DataView, at: number): number {
  let sum = 0
  for (let word = at + ipv4; word < at + ipv4 + 20; word += 2) sum += frames.getUint16(word)
  return (sum & 0xffff) + (sum >>> 16)
}

export function frameTo(address: number, lifetime: number): Uint8Array {
  const frame = new DataView(new ArrayBuffer(frameBytes))
  frame.setUint16(etherType, 0x0800) // IPv4
  frame.setUint32(ipv4, 0x45000000 + frameBytes - ipv4) // version 4, a header of 5 words, and the length
  frame.setUint16(timeToLive, (lifetime << 8) | 17) // the byte behind it is the protocol: UDP
  frame.setUint32(source, 0xc0000201) // 192.0.2.1
  frame.setUint32(destination, address)
  frame.setUint16(checksum, ~headerSum(frame, 0))
  return new Uint8Array(frame.buffer)
}
