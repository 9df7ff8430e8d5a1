import { PinfoldError } from '../../errors.js'
import { native } from '../../native.js'
import type { DeviceCalls, DeviceProvider } from '../contract/device-calls.js'
import { deviceAttributes, forkStatus, gidEntry, listing, portAttributes } from './attributes.js'
import { rdmacm } from './connections.js'
import { memoryCalls } from './memories.js'
import { OpenContext } from './open-context.js'
import { queuePairCalls } from './queue-pairs.js'
import { queueCalls } from './queues.js'
import { attempted } from './refusal.js'
import { registrationCalls } from './registrations.js'

/** Real devices, through libibverbs, which is loaded on first use. */
export const verbsProvider: DeviceProvider = {
  kind: 'verbs',
  list: () => attempted(() => native.verbs.list()).map(listing),
  open(name) {
    const known = attempted(() => native.verbs.list()).map((device) => device.name)
    if (known.includes(name)) return openVerbs(name)
    throw new PinfoldError(
      `openDevice: there is no RDMA device '${name}'; there is ${known.length === 0 ? 'none' : known.join(', ')}`,
      { code: 'ERR_DEVICE_UNKNOWN', values: { device: name, known } },
    )
  },
}

function openVerbs(name: string): DeviceCalls {
  const { verbs } = native
  const context = new OpenContext(name)
  return {
    query: () => deviceAttributes(attempted(() => verbs.query(context.number))),
    queryPort: (port) =>
      portAttributes(
        port,
        attempted(() => verbs.queryPort(context.number, port)),
      ),
    queryGids: () => attempted(() => verbs.queryGids(context.number)).map((entry) => gidEntry(name, entry)),
    queryPartitionKey: (port, index) => attempted(() => verbs.queryPartitionKey(context.number, port, index)),
    forkStatus: () => forkStatus(attempted(() => verbs.forkStatus())),
    listen: (listener) => context.listen(listener),
    keepAlive: (wanted) => context.keepAlive(wanted),
    close: () => context.close(),
    connections: rdmacm,
    ...memoryCalls(context),
    ...registrationCalls(context),
    ...queueCalls(context),
    ...queuePairCalls(context),
  }
}
