import { measurementCommand } from './measurement.js'

export const rate = measurementCommand('rate', 'Measure the rate of small messages to a peer: 64 bytes in bursts of 32')
