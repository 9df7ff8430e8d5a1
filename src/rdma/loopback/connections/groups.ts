import type { ConnectionEvent } from '../../contract/connection-calls.js'
import { fullGid } from '../../contract/gids.js'
import { groupNumber } from '../wire.js'

/** What the connection manager tells of a multicast group, by its IP address. */
export function groupEvent(group: string, queueKey: number): Partial<ConnectionEvent> {
  const path = {
    gid: groupGid(group),
    gidIndex: 0,
    hopLimit: 1,
    trafficClass: 0,
    flowLabel: 0,
    lid: 0,
    serviceLevel: 0,
    pathBits: 0,
    port: 1,
  }
  return { datagramPeer: { path, queuePairNumber: groupNumber, queueKey } }
}

/** ff0e::ffff:239.1.2.3 for IPv4; an IPv6 group is its GID. */
function groupGid(group: string): string {
  if (group.includes(':')) return group
  const digits = group.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
  return fullGid(`ff0e${'0'.repeat(16)}ffff${digits.join('')}`)
}
