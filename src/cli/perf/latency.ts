import { measurementCommand } from './measurement.js'

export const latency = measurementCommand(
  'latency',
  'Measure the latency to a peer, as ib_write_lat, ib_read_lat and ib_send_lat do',
)
