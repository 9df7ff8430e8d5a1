import type { ConnectionEvent } from '../../contract/connection-calls.js'
import { fullGid } from '../../contract/gids.js'
import { refusal } from '../refusal.js'
import { groupNumber } from '../wire.js'

/** What the connection manager tells of a multicast group, by its IP address. @throws PinfoldError if it is no group */
export function groupEvent(group: string, queueKey: number): Partial<ConnectionEvent> {
  if (!isGroup(group)) throw refusal('rdma_join_multicast', `${group} is no address of a group`, { group })
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

/** 224.0.0.0/4, or ff00::/8. */
function isGroup(group: string): boolean {
  if (group.includes(':')) return /^ff[0-9a-f]{2}:/i.test(group)
  const first = Number.parseInt(group, 10)
  return first >= 224 && first < 240
}

/** ff0e::ffff:239.1.2.3 for IPv4; an IPv6 group is its GID. */
function groupGid(group: string): string {
  if (group.includes(':')) return group
  const digits = group.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
  return fullGid(`ff0e${'0'.repeat(16)}ffff${digits.join('')}`)
}
