import { measurementCommand } from './measurement.js'

export const bandwidth = measurementCommand(
  'bandwidth',
  'Measure the bandwidth to a peer, as ib_write_bw, ib_read_bw and ib_send_bw do',
)
