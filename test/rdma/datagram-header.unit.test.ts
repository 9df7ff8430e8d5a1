import { describe, expect, test } from 'vitest'
import type { GidEntry } from '../../src/rdma/contract/device-attributes.js'
import { formatGid } from '../../src/rdma/contract/gids.js'
import { answeringGid, readDatagramHeader } from '../../src/rdma/datagram-header.js'

const bytesOf = (digits: string) => Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'))
const full = (gid: string) => formatGid(gid, { spelling: 'full' })
const entry = (index: number, gid: string, type: GidEntry['type']): GidEntry => ({
  port: 1,
  index,
  gid: full(gid),
  type,
  interface: undefined,
})

const anything = '00'.repeat(20)
/** A header from 10.77.0.2 to 10.77.0.1, with UDP and its checksum. */
const ipv4 = '4568 003c 1234 4000 4011 1379 0a4d0002 0a4d0001'
const ipv6 = (next: string, from = 'fe80000000000000505400fffe120002', to = 'fe80000000000000505400fffe120001') =>
  `6680 abcd 0020 ${next} 40 ${from} ${to}`

describe('the 40 bytes before a datagram', () => {
  test('contain an IPv4 header in their second half, whatever the first half contains', () => {
    const read = readDatagramHeader('test', bytesOf(anything + ipv4))
    expect(read).toMatchObject({ source: full('::ffff:10.77.0.2'), destination: full('::ffff:10.77.0.1') })
    expect(read).toMatchObject({ trafficClass: 0x68, flowLabel: 0 })
    const looksLikeVersion6 = `6${'f'.repeat(39)}`
    expect(readDatagramHeader('test', bytesOf(looksLikeVersion6 + ipv4))).toEqual(read)
  })

  test('are an IPv6 header, even if the addresses look like an IPv4 header with a wrong checksum', () => {
    const read = readDatagramHeader('test', bytesOf(ipv6('11')))
    expect(read).toMatchObject({
      source: full('fe80::5054:ff:fe12:2'),
      destination: full('fe80::5054:ff:fe12:1'),
      trafficClass: 0x68,
      flowLabel: 0xabcd,
    })
    const like = bytesOf(ipv6('11', 'fe80000000000000000000ff45000002'))
    expect(readDatagramHeader('test', like).source).toBe(full('fe80::ff:4500:2'))
  })

  test.each([
    ['zeros', '00'.repeat(40)],
    ['ones', 'ff'.repeat(40)],
    ['TCP over IPv6', ipv6('06')],
    ['IPv4 with options', anything + ipv4.replace('4568', '4668')],
  ])('are refused if they are %s', (_, digits) => {
    expect(() => readDatagramHeader('test', bytesOf(digits))).toThrowCode('ERR_INVALID_ARGUMENT')
  })
})

describe('an answer is sent from', () => {
  const linkLocal = 'fe80::5054:ff:fe12:1'
  const gids = [
    entry(0, linkLocal, 'RoCE v1'),
    entry(1, linkLocal, 'RoCE v2'),
    entry(2, '::ffff:10.77.0.1', 'RoCE v1'),
    entry(3, '::ffff:10.77.0.1', 'RoCE v2'),
  ]
  const index = (digits: string, port = 1) =>
    answeringGid(gids, port, readDatagramHeader('test', bytesOf(digits)))?.index

  test('the GID that the datagram was sent to, in its version of RoCE', () => {
    expect(index(anything + ipv4)).toBe(3)
    expect(index(ipv6('11'))).toBe(1)
    expect(index(ipv6('1b'))).toBe(0)
  })

  test('a GID of the same family if the datagram was sent to a group', () => {
    expect(index(ipv6('11', undefined, `ff12${'0'.repeat(27)}7`))).toBe(1)
    expect(index(anything + ipv4.replace('0a4d0001', 'e0000001'))).toBe(3)
  })

  test('no GID if the datagram was sent to no GID of the port', () => {
    expect(index(anything + ipv4.replace('0a4d0001', '0a4d0009'))).toBeUndefined()
    expect(index(anything + ipv4, 2)).toBeUndefined()
  })
})
