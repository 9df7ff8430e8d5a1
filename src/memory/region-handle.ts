import * as z from 'zod'
import { PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { checked, optionsObject } from '../options.js'
import { RegionCore } from './region-core.js'

const handleSchema = z.lazy(() =>
  optionsObject({
    pinfold: z.literal('region'),
    process: z.int().nonnegative(),
    region: z.int().positive(),
    name: z.string(),
    size: z.int().positive(),
  }),
)

/**
 * Names an open region of this process; plain data, so that postMessage and workerData carry it.
 *
 * - `pinfold`: 'region', which tells it from other data.
 * - `process`: a random number of the process that has the region; not its pid.
 * - `region`: the region's number in that process, never used again.
 * - `name`, `size`: the region's.
 */
export type RegionHandle = Readonly<z.infer<typeof handleSchema>>

/**
 * This thread's own attachment to the region that `handle` names.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no handle, `ERR_REGION_UNKNOWN` when it is of another process,
 *   or its region is closed in every thread
 */
export function attachCore(handle: RegionHandle): RegionCore {
  const { process, region, name, size } = checked('attachRegion', handleSchema, handle)
  const attached = process === native.processToken() ? native.attach(region) : undefined
  if (attached === undefined) {
    const why = process === native.processToken() ? 'is closed in every thread' : 'is of another process'
    throw new PinfoldError(`attachRegion: region '${name}' ${why}`, {
      code: 'ERR_REGION_UNKNOWN',
      values: { name, region },
    })
  }
  if (attached.name === name && attached.size === size) return new RegionCore(attached)
  native.close(attached.attachment)
  throw new PinfoldError(`attachRegion: the handle names '${name}', but region ${region} is another`, {
    code: 'ERR_REGION_UNKNOWN',
    values: { name, region },
  })
}
