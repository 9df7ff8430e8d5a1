import { throwIfAborted } from '../../abort.js'
import { PinfoldError } from '../../errors.js'
import { describe } from '../../sizes.js'
import type { ConnectionPlace, SocketAddress } from '../contract/connection-calls.js'
import type { Device } from '../device.js'
import { type Patience, within } from './connection-end.js'
import type { PlaceOptions } from './options.js'

const anywhere = '::'

/** Where to listen. Without an address: everywhere, with IPv4 and IPv6. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function listeningPlace(subject: string, { address, port, name }: PlaceOptions): ConnectionPlace {
  if (name !== undefined) return named(subject, name, address, port)
  if (port === undefined) throw invalid(subject, 'expected a port, or a name on the loopback', {})
  if (address !== undefined && !isAddress(address)) {
    throw invalid(subject, `address: expected an IPv4 or IPv6 address, received ${describe(address)}`, { address })
  }
  return { address: address ?? anywhere, port }
}

/** Where to connect to: an address, a host name, or a name. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function remotePlace(subject: string, { address, port, name }: PlaceOptions): ConnectionPlace {
  if (name !== undefined) return named(subject, name, address, port)
  if (address !== undefined && port !== undefined && port !== 0) return { address, port }
  const received = `received ${describe(address)} and ${describe(port)}`
  throw invalid(subject, `expected an address and a port from 1 on, or a name on the loopback; ${received}`, {
    address,
    port,
  })
}

/** The addresses of a host, in the order of preference of the system. */
export async function placesOf(device: Device, limit: Patience, place: ConnectionPlace): Promise<ConnectionPlace[]> {
  if ('name' in place || isAddress(place.address)) return [place]
  const { address: host, port } = place
  throwIfAborted(limit.signal)
  const found = await within(device, limit, lookUp(limit.subject, host))
  return found.map((address) => ({ address, port }))
}

/** `getaddrinfo` by Node.js, on another thread: librdmacm would block this one. */
async function lookUp(subject: string, host: string): Promise<string[]> {
  const { lookup } = process.getBuiltinModule('node:dns').promises
  try {
    const found = await lookup(host, { all: true })
    return found.map(({ address }) => address)
  } catch (error) {
    throw new PinfoldError(`${subject}: the host ${describe(host)} was not found`, {
      code: 'ERR_ADDRESS_UNREACHABLE',
      values: { host, lookup: codeOf(error) },
      cause: error,
    })
  }
}

/** ENOTFOUND: there is no such name. EAI_AGAIN: nobody answered. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

export function isAddress(address: string): boolean {
  return process.getBuiltinModule('node:net').isIP(address) !== 0
}

/** An address in a place, or a name: for messages. */
export function placeText(place: ConnectionPlace): string {
  if ('name' in place) return place.name
  return place.address.includes(':') ? `[${place.address}]:${place.port}` : `${place.address}:${place.port}`
}

export function isSocketAddress(place: ConnectionPlace): place is SocketAddress {
  return 'address' in place
}

function named(subject: string, name: string, address: string | undefined, port: number | undefined): ConnectionPlace {
  if (address === undefined && port === undefined) return { name }
  const problem = `expected a name, or an address and a port, not both; received ${describe(name)}`
  throw invalid(subject, problem, { name, address, port })
}

function invalid(subject: string, why: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return new PinfoldError(`${subject}: ${why}`, { code: 'ERR_INVALID_ARGUMENT', values })
}
