import { coreOf, MappedRegion } from '../memory/mapped-region.js'
import { attachCore, type RegionHandle } from '../memory/region-handle.js'
import { type Translation, translateRegion } from '../translate/translation.js'

/** A region as users have it: its memory, and all that the rooms above memory can tell of it. */
export class Region extends MappedRegion {
  /**
   * Where its pages are in physical memory, read now. A snapshot: `verify()` tells what has moved since.
   * A page whose address is not known (swapped, or hidden without CAP_SYS_ADMIN) is an error only where it is asked for.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`; `ERR_PERMISSION`, `ERR_SYSTEM` where /proc/self/pagemap cannot be read
   */
  translate(): Translation {
    const core = coreOf(this)
    core.requireOpen('translate')
    return translateRegion(core)
  }
}

/**
 * This thread's own Region on the memory that `handle` names, which another thread of this process has open. To be closed
 * like any other; the memory lives until the last thread has closed its own or died.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no handle, `ERR_REGION_UNKNOWN` when it is of another process,
 *   or its region is closed in every thread
 */
export function attachRegion(handle: RegionHandle): Region {
  return new Region(attachCore(handle))
}
