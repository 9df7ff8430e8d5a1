import { expect, test } from 'vitest'
import { createPackets, openRegistrySync, packetsBytes } from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { randomNumbers } from '../support/random.mjs'
import { kept } from '../support/registries.js'

// Packets whose records a program overwrites.

test('packets with overwritten records throw only PinfoldErrors, and write nothing outside of their memory', () => {
  const memory = kept(openRegistrySync({ leaks: 'off' }))
  const wanted = { bufferSize: 256, headroom: 32, count: 16, externals: 4 }
  const size = packetsBytes(wanted)
  const all = memory.allocateSync('all', { size: size + 2 * basePageSize, pages: 'base' })
  const fence = [all.view(0, basePageSize), all.view(basePageSize + size, basePageSize)]
  for (const side of fence) side.fill(0xee)
  const packets = createPackets(all.slice(basePageSize, size), wanted)
  const words = new Int32Array(
    packets.bytes(packets.allocate()).buffer,
    all.view(basePageSize, size).byteOffset,
    size / 4,
  )
  const untouched = words.slice()
  const random = randomNumbers(1)
  const burst = packets.burst(16)
  const records = 33 * 16
  for (let round = 0; round < 3000; round++) {
    words.set(untouched)
    for (let one = 0; one < 200; one++) {
      const value = [random(2 ** 31), -random(2 ** 31), random(20), 1, 0][random(5)] ?? 0
      words[records + random(200)] = value
    }
    const [one, other] = [random(16), random(16)]
    const uses = [
      () => packets.free(one),
      () => packets.clone(one),
      () => packets.chain(one, other),
      () => packets.split(one, random(300)),
      () => packets.linearize(one),
      () => packets.copy(one),
      () => packets.bytes(one).fill(1),
      () => packets.append(one, random(300)),
      () => packets.compare(one, other),
      () => packets.freeBulk(Uint32Array.of(one, other)),
      () => packets.freeBulk(burst, 4, random(8)),
      () => packets.allocateBulk(burst, 4 + random(12)),
      () => packets.retain(one),
      () => packets.detach(one),
    ]
    for (let turn = 0; turn < 4; turn++) {
      try {
        uses[random(uses.length)]?.()
      } catch (error) {
        expect(error).toMatchObject({ name: 'PinfoldError' })
      }
    }
  }
  for (const side of fence) expect(side.every((byte) => byte === 0xee)).toBe(true)
})

test('packets with an overwritten buffer pool throw only PinfoldErrors, and write nothing outside of their memory', () => {
  const memory = kept(openRegistrySync({ leaks: 'off' }))
  const wanted = { bufferSize: 64, headroom: 32, count: 100, cache: 32, patience: 0 }
  const size = Math.ceil(packetsBytes(wanted) / basePageSize) * basePageSize
  const all = memory.allocateSync('all', { size: size + 2 * basePageSize, pages: 'base' })
  const fence = [all.view(0, basePageSize), all.view(basePageSize + size, basePageSize)]
  for (const side of fence) side.fill(0xee)
  const random = randomNumbers(5)
  const mine = (33 * 64 + 64 * 32 + 100 * 32) / 4 // words of the packets' own bookkeeping, behind which the pool starts
  for (let round = 0; round < 200; round++) {
    const packets = createPackets(all.slice(basePageSize, size), wanted)
    const bursts = [packets.burst(32), new Uint32Array(32)]
    for (const burst of bursts) packets.freeBulk(burst, packets.allocateBulk(burst, 12))
    const { buffer, byteOffset } = all.view(basePageSize, size)
    const words = new Int32Array(buffer, byteOffset, size / 4)
    const isAll = random(2) === 0
    for (let one = 0; one < 400; one++) {
      const value = [random(2 ** 32), -1, random(60), -random(40)][random(4)] ?? 0
      words[mine + 16 + (isAll ? random(words.length - mine - 16) : 20 * 16 + random(3000))] = value
    }
    for (let turn = 0; turn < 20; turn++) {
      const burst = bursts[random(2)] ?? new Uint32Array(32)
      try {
        if (random(2) === 0) packets.allocateBulk(burst, random(20), random(12))
        else packets.freeBulk(burst, random(20), random(12))
      } catch (error) {
        expect(error).toMatchObject({ name: 'PinfoldError' })
      }
    }
    try {
      packets.close()
    } catch (error) {
      expect(error).toMatchObject({ name: 'PinfoldError' })
    }
  }
  for (const side of fence) expect(side.every((byte) => byte === 0xee)).toBe(true)
})
