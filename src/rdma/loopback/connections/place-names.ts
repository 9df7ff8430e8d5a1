import { networkInterfaces } from 'node:os'
import { PinfoldError } from '../../../errors.js'
import type { ConnectionPlace } from '../../contract/connection-calls.js'

/**
 * The abstract name (unix(7)) of a listener. The loopback reaches this machine alone, so an address is only checked: of
 * two listeners with one port, the second is refused, whatever their addresses are.
 */
export function abstractName(place: ConnectionPlace): string {
  const owner = `pinfold-connect-${process.geteuid?.() ?? 0}`
  if ('address' in place) return `${owner}-port-${place.port}`
  const { createHash } = process.getBuiltinModule('node:crypto')
  return `${owner}-name-${createHash('sha256').update(place.name).digest('hex').slice(0, 32)}`
}

/** @throws PinfoldError `ERR_ADDRESS_UNREACHABLE` for an address of another machine */
export function requireHere(call: string, place: ConnectionPlace, isListening: boolean): void {
  if ('name' in place) return
  const { address } = place
  if (isAnywhere(address)) {
    if (isListening) return
  } else if (isOurs(address)) return
  throw new PinfoldError(`${call}: ${address} is no address of this machine, and the loopback reaches no other`, {
    code: 'ERR_ADDRESS_UNREACHABLE',
    values: { address },
    hint: 'open a real device at both ends',
  })
}

function isAnywhere(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

function isOurs(address: string): boolean {
  if (address.startsWith('127.') || address === '::1') return true
  const [bare] = address.split('%')
  return Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === bare))
}
