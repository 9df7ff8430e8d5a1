import type { RegionCore } from './region-core.js'

/**
 * A registration: it makes memory of a region known to a device, and keeps that region open until it is closed. An RDMA
 * registration is one. A registry lists a registration under its region and closes it before the region, and needs to know
 * no more of it than this.
 */
export interface RegionRegistration {
  /** As messages name it: 'registration 7'. */
  readonly label: string
  readonly closed: boolean
  /** Closes the objects that stand on it, then itself, and releases the region. A second call does nothing. */
  close(options: { readonly force: true }): void
  /** Calls `listener` after it was closed. */
  onClose(listener: () => void): void
}

/** The part of a region that a registration covers. */
export interface RegisteredRange {
  readonly core: RegionCore
  readonly offset: number
  /** Bytes. */
  readonly length: number
  /** Ends the hold by which the registration keeps the region open. */
  readonly release: () => void
}
