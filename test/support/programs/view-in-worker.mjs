// A worker that makes a view of a region of its parent, and ends by itself.
import { workerData } from 'node:worker_threads'
import { attachRegion } from '../../../dist/index.js'

if (attachRegion(workerData).view(0, 8)[0] !== 7) throw new Error('these are not the bytes of the region')
