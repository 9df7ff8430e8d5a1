import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

// The errors of packets.

export function noPacket(subject: string, index: unknown, capacity: number): PinfoldError {
  const expected = `a whole number from 0 to ${capacity - 1}`
  return new PinfoldError(`${subject}: expected ${expected}, received ${describe(index)}`, {
    code: 'ERR_POOL_INDEX',
    values: { index, capacity },
  })
}

export function noneFree(capacity: number): PinfoldError {
  return new PinfoldError(`packet: none of ${capacity} packets is free`, {
    code: 'ERR_PACKETS_EXHAUSTED',
    values: { capacity },
  })
}

export function packetFree(subject: string, index: number): PinfoldError {
  return new PinfoldError(`${subject}: packet ${index} is free: it was freed already, or never allocated`, {
    code: 'ERR_PACKET_FREE',
    values: { index },
  })
}

export function notFirst(subject: string, index: number): PinfoldError {
  return new PinfoldError(`${subject}: packet ${index} is a later segment of another packet`, {
    code: 'ERR_PACKET_SEGMENT',
    values: { index },
  })
}

export function packetShared(subject: string, index: number, why: string): PinfoldError {
  return new PinfoldError(`${subject}: packet ${index} ${why}`, { code: 'ERR_PACKET_SHARED', values: { index } })
}

export function noRoom(subject: string, index: number, where: 'headroom' | 'tailroom', wanted: number, room: number) {
  const code = where === 'headroom' ? 'ERR_PACKET_HEADROOM' : 'ERR_PACKET_TAILROOM'
  return new PinfoldError(
    `${subject}: expected at most ${room} bytes, the ${where} of packet ${index}, received ${wanted}`,
    {
      code,
      values: { index, wanted, room },
    },
  )
}

export function damaged(subject: string, index: number, problem: string): PinfoldError {
  return new PinfoldError(`${subject}: packet ${index} is damaged: ${problem}; a program has written over its record`, {
    code: 'ERR_PACKET_DAMAGED',
    values: { index, problem },
  })
}

/** @throws PinfoldError `ERR_OUT_OF_RANGE` unless `value` is a whole number from 0 to `most` */
export function requireUpTo(subject: string, name: string, value: number, most: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return
  throw new PinfoldError(
    `${subject}: ${name}: expected a whole number from 0 to ${most}, received ${describe(value)}`,
    {
      code: 'ERR_OUT_OF_RANGE',
      values: { [name]: value, most },
    },
  )
}
