import { PinfoldError } from '../../errors.js'
import type { DeviceProvider } from '../contract/device-calls.js'
import { openLoopback } from './device.js'
import { loopbackGuid } from './port.js'

const name = 'loopback0'

/** The device without hardware, which each process has: for first programs, for tests, and for machines without RDMA. */
export const loopbackProvider: DeviceProvider = {
  kind: 'loopback',
  list: () => [{ name, kind: 'loopback', guid: loopbackGuid, transport: 'IB', nodeType: 'CA', numaNode: undefined }],
  open(wanted) {
    if (wanted === name) return openLoopback()
    throw new PinfoldError(`openDevice: expected '${name}', received '${wanted}'`, {
      code: 'ERR_DEVICE_UNKNOWN',
      values: { device: wanted, known: [name] },
    })
  },
}
