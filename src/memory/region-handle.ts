import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { checked, later, optionsOf, text } from '../options.js'
import { describe } from '../sizes.js'
import { RegionCore } from './region-core.js'

const handleSchema = later(() =>
  optionsOf<RegionHandle>()({
    pinfold: z.literal('region'),
    process: z.int().check(z.nonnegative()),
    region: z.int().check(z.positive()),
    name: text(200),
    size: z.int().check(z.positive()),
  }),
)

/** Names an open region of this process; plain data, so that postMessage and workerData carry it. */
export interface RegionHandle {
  /** Distinguishes a handle from other data. */
  readonly pinfold: 'region'
  /** A random number of the region's process; not its pid. */
  readonly process: number
  /** The region's number in that process, never used again. */
  readonly region: number
  /** The region's name. */
  readonly name: string
  /** The region's size in bytes. */
  readonly size: number
}

/** The handle by which another thread attaches the region. @throws PinfoldError `ERR_REGION_CLOSED` */
export function handleOf(core: RegionCore): RegionHandle {
  core.requireOpen('handle')
  const { id: region, name, size } = core
  return { pinfold: 'region', process: native.processToken(), region, name, size }
}

/**
 * This thread's own attachment to the region that `handle` names.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` when it is no handle, `ERR_REGION_UNKNOWN` when the handle belongs to
 *   another process, or its region is closed in every thread
 */
export function attachCore(handle: RegionHandle): RegionCore {
  const { process, region, name, size } = checkedHandle(handle)
  const isOurs = process === native.processToken()
  const attached = isOurs ? native.attach(region) : undefined
  if (attached !== undefined && attached.name === name && attached.size === size) {
    // Trusted: allocate.ts wrote this text, and native code accepts it from nobody else.
    return new RegionCore(attached, JSON.parse(attached.description))
  }
  if (attached !== undefined) {
    native.close(attached.attachment)
    throw unknown(
      `the handle names '${name}', but region ${region} is another`,
      'pass the handle on as region.handle gave it',
      { name, region },
    )
  }
  if (isOurs) {
    throw unknown(
      `region '${name}' is closed in every thread`,
      'keep the region open in the thread that posts the handle until the other has attached it',
      { name, region },
    )
  }
  throw unknown(
    `region '${name}' is of another process`,
    'a handle is for threads of one process; share a file with another: backing: { file } or { descriptor }',
    { name, region },
  )
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT`; neither a Region nor a Region after postMessage is a handle */
function checkedHandle(given: unknown): RegionHandle {
  try {
    return checked('attachRegion', handleSchema, given)
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    const { option, received } = error.values
    const isMarked = option !== '' && !(option === 'pinfold' && received === undefined)
    if (isMarked) throw error
    throw new PinfoldError(`attachRegion: expected a handle, received ${describe(given)}: post region.handle`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { received: given },
      hint: 'post region.handle, not the region, and attach what arrives',
      cause: error,
    })
  }
}

function unknown(why: string, hint: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return new PinfoldError(`attachRegion: ${why}`, { code: 'ERR_REGION_UNKNOWN', values, hint })
}
