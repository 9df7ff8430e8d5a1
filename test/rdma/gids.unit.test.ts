import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatGid } from '../../src/index.js'
import { preferredGid } from '../../src/rdma/contract/gids.js'

/** Each GID in its three spellings: short, full and digits. */
const known = [
  ['::', '0000:0000:0000:0000:0000:0000:0000:0000', '00000000000000000000000000000000'],
  ['::1', '0000:0000:0000:0000:0000:0000:0000:0001', '00000000000000000000000000000001'],
  ['fe80::1', 'fe80:0000:0000:0000:0000:0000:0000:0001', 'fe800000000000000000000000000001'],
  ['fe80::5054:ff:fe12:3456', 'fe80:0000:0000:0000:5054:00ff:fe12:3456', 'fe80000000000000505400fffe123456'],
  ['::ffff:10.77.0.1', '0000:0000:0000:0000:0000:ffff:0a4d:0001', '00000000000000000000ffff0a4d0001'],
  // "::" replaces the longest run of zeros, the first of two equal runs, and never a single group (RFC 5952, 4.2).
  ['1:0:0:2::3', '0001:0000:0000:0002:0000:0000:0000:0003', '00010000000000020000000000000003'],
  ['1::2:0:0:3:4', '0001:0000:0000:0002:0000:0000:0003:0004', '00010000000000020000000000030004'],
  ['0:10:0:1:0:1:0:1', '0000:0010:0000:0001:0000:0001:0000:0001', '00000010000000010000000100000001'],
  ['10::', '0010:0000:0000:0000:0000:0000:0000:0000', '00100000000000000000000000000000'],
] as const

describe('a GID', () => {
  test.each(known)('%s is read and written in each of its spellings', (short, full, digits) => {
    for (const given of [short, full, digits, short.toUpperCase(), full.toUpperCase(), digits.toUpperCase()]) {
      expect(formatGid(given)).toBe(short)
      expect(formatGid(given, { spelling: 'short' })).toBe(short)
      expect(formatGid(given, { spelling: 'full' })).toBe(full)
      expect(formatGid(given, { spelling: 'digits' })).toBe(digits)
    }
  })

  test.each([
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['0:0:0:0:0:FFFF:0A4D:1', '::ffff:10.77.0.1'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['1::2', '1::2'],
  ])('%s is written as %s', (given, short) => {
    expect(formatGid(given)).toBe(short)
  })

  test('of any 16 bytes can be read back from each spelling', () => {
    // Many bytes are zeros, since the short spelling leaves zeros out.
    const byte = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(fc.array(byte, { minLength: 16, maxLength: 16 }), (bytes) => {
        const digits = Buffer.from(bytes).toString('hex')
        for (const spelling of ['short', 'full', 'digits'] as const) {
          expect(formatGid(formatGid(digits, { spelling }), { spelling: 'digits' })).toBe(digits)
        }
      }),
    )
  })
})

describe('the GID of a port that connections use', () => {
  const entry = (index: number, type: 'IB' | 'RoCE v1' | 'RoCE v2' | 'unknown', short: string) => ({
    port: 1,
    index,
    type,
    gid: formatGid(short, { spelling: 'full' }),
    interface: 'eth0',
  })
  const linkLocal = entry(1, 'RoCE v2', 'fe80::1')
  const global = entry(2, 'RoCE v2', '2001:db8::1')
  const mapped = entry(3, 'RoCE v2', '::ffff:10.77.0.1')
  const selfAssigned = entry(4, 'RoCE v2', '::ffff:169.254.3.4')
  const old = entry(0, 'RoCE v1', '::ffff:10.77.0.1')

  test.each([
    [[old, linkLocal, global, mapped, selfAssigned], 3, 'RoCE v2 with an IPv4 address'],
    [[old, linkLocal, selfAssigned, global], 2, 'RoCE v2 with a global IPv6 address'],
    [[old, selfAssigned, linkLocal], 4, 'RoCE v2, link-local: the port has no other'],
    [[old], 0, 'the first of the port, which has none of RoCE v2'],
  ])('of %# is routable if one is', (entries, index, reason) => {
    expect(preferredGid(entries)).toEqual({ ...entries.find((one) => one.index === index), reason })
  })

  test('is none if the port has none', () => expect(preferredGid([])).toBeUndefined())
})
