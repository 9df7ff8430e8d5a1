/** The options of one side alone: where it runs. */
export interface LocalOptions {
  /** A device's name; 'loopback' for the loopback. Default: the first device. */
  readonly device?: string | undefined
  /** Default: 1. */
  readonly port?: number | undefined
  /** Default: the best GID. */
  readonly gidIndex?: number | undefined
  /** Kinds of pages, in order of preference. Default: as a registry chooses. */
  readonly pages?: readonly string[] | undefined
  /** The NUMA node of the memory. */
  readonly node?: number | undefined
  /** Whether the user has chosen the CPUs of this thread. */
  readonly isPinned: boolean
}
