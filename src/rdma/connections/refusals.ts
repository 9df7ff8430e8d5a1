import { constants } from 'node:os'
import { PinfoldError } from '../../errors.js'
import { type ConnectionEvent, rejectionReasons } from '../contract/connection-calls.js'
import type { Device } from '../device.js'
import { type Patience, timedOut } from './connection-end.js'
import { identityError, readGreeting } from './private-data.js'

const { ETIMEDOUT } = constants.errno

/** What a rejection without a reason of the peer's program means. */
const explanations = new Map<number, string>([
  [rejectionReasons.byName.NO_QUEUE_PAIR, 'the peer has no queue pair for it'],
  [rejectionReasons.byName.NO_RESOURCES, 'the peer has no room for it'],
  [rejectionReasons.byName.TIMEOUT, 'the peer waited too long for the next step'],
  [rejectionReasons.byName.INVALID_SERVICE_ID, 'nobody listens there'],
  [rejectionReasons.byName.STALE_CONNECTION, 'the peer still has an earlier connection of this queue pair'],
])

/**
 * The error for an event that ends an attempt.
 *
 * @param withIdentity whether a rejection may contain a greeting
 */
export function failureOf(limit: Patience, event: ConnectionEvent, withIdentity: boolean): PinfoldError {
  const { subject } = limit
  const { type, status } = event
  const values = { event: type, status }
  const errno = status < 0 ? -status : undefined
  switch (type) {
    case 'REJECTED':
      return rejected(subject, event, withIdentity)
    case 'ADDR_ERROR':
    case 'ROUTE_ERROR': {
      const what = type === 'ADDR_ERROR' ? 'no device leads to the address' : 'there is no route to the address'
      if (errno === ETIMEDOUT) return timedOut(limit)
      return new PinfoldError(`${subject}: ${what}`, { code: 'ERR_ADDRESS_UNREACHABLE', errno, values })
    }
    case 'UNREACHABLE':
      // The status of an answer about datagrams (IBTA 12.11.1.2).
      if (status > 0) {
        const message = `${subject}: nobody has announced a queue pair there`
        return new PinfoldError(message, { code: 'ERR_CONNECTION_REFUSED', values })
      }
      if (errno === ETIMEDOUT) {
        const message = `${subject}: the peer does not answer`
        return new PinfoldError(message, { code: 'ERR_CONNECTION_TIMEOUT', errno, values })
      }
      return new PinfoldError(`${subject}: the peer cannot be reached`, {
        code: 'ERR_ADDRESS_UNREACHABLE',
        errno,
        values,
      })
    case 'DEVICE_REMOVAL':
      return new PinfoldError(`${subject}: the device was removed`, { code: 'ERR_DEVICE_REMOVED', values })
    case 'DISCONNECTED':
      return new PinfoldError(`${subject}: the peer has disconnected`, { code: 'ERR_CONNECTION_CLOSED', values })
    default:
      return new PinfoldError(`${subject}: it failed with ${type}, status ${status}`, {
        code: 'ERR_CONNECTION_CLOSED',
        errno,
        values,
      })
  }
}

function rejected(subject: string, { status, privateData }: ConnectionEvent, withIdentity: boolean): PinfoldError {
  const greeting = withIdentity ? readGreeting(privateData) : undefined
  if (greeting?.isRefusal === true) {
    const { name, generation } = greeting.identity
    return identityError(`the peer '${name}' (generation ${generation}) does not accept ours`, { name, generation })
  }
  const isByProgram = status === rejectionReasons.byName.CONSUMER_DEFINED
  const why = isByProgram ? 'the peer has rejected it' : (explanations.get(status) ?? `reason ${status}`)
  return new PinfoldError(`${subject}: the connection was refused: ${why}`, {
    code: 'ERR_CONNECTION_REFUSED',
    values: {
      reason: rejectionReasons.nameOf(status),
      privateData: isByProgram ? (greeting?.data ?? privateData) : undefined,
      peer: greeting?.identity,
    },
  })
}

/** librdmacm finds the device by the address; our objects belong to one device. @throws PinfoldError */
export function requireDevice(subject: string, device: Device, found: string): void {
  if (found === '' || found === device.name) return
  throw new PinfoldError(`${subject}: the address belongs to device ${found}, and the queue pair to ${device.name}`, {
    code: 'ERR_DOMAIN_MISMATCH',
    values: { device: device.name, found },
    hint: `openDevice('${found}')`,
  })
}
