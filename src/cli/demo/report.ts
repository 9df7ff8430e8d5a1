import type { Remains } from './remains.js'

/** The size of the demo's region. */
export const demoSize = 64 * 2 ** 20

/** What one run of the demo measured: `pinfold demo --json`. Sizes are bytes, times milliseconds, addresses bigints. */
export interface DemoReport {
  readonly schema: 'pinfold/demo/1'
  readonly machine: MachineStep
  readonly pages: PagesStep
  readonly region: RegionStep
  readonly physical: PhysicalStep
  readonly bytes: BytesStep
  readonly worker: WorkerStep
  readonly device: DeviceStep
  readonly verification: VerificationStep
  readonly close: { readonly milliseconds: number }
  readonly left: Remains
  /** Commands that would have given more. */
  readonly more: readonly Advice[]
}

export interface Advice {
  /** What it gives: '2MiB pages'. */
  readonly gives: string
  readonly command: string
}

export interface MachineStep {
  readonly pinfold: string
  readonly node: string
  readonly kernel: string
  readonly arch: string
  /** The virtual machine's name, 'unnamed' when it has none to tell, null on bare metal. */
  readonly virtual: string | null
  readonly basePageSize: number
}

export interface PagesStep {
  /** The pool that pages were to come from, as it was before; null without hugetlb pages. */
  readonly pool: { readonly pageSize: number; readonly total: number; readonly free: number } | null
  /** Whether it has enough for the region, now or by what was borrowed. */
  readonly enough: boolean
  /** How many pages were put into it for this run. */
  readonly borrowed: number
  /** What earlier runs left that were killed, and was taken off the pools now. */
  readonly repaired: readonly { readonly pid: number; readonly pageSize: number; readonly pages: number }[]
  /** Why pages could not be borrowed. */
  readonly refusals: readonly { readonly code: string; readonly reason: string }[]
}

export interface RegionStep {
  readonly name: string
  readonly address: bigint
  readonly size: number
  /** '2MiB', 'transparent' or 'base'. */
  readonly pages: string
  readonly pageSize: number
  readonly pageCount: number
  readonly nodes: readonly number[]
  /** The share of it that is on huge pages, by smaps: 0 to 1. */
  readonly hugeShare: number
  /** Better pages that it did not get, and why. */
  readonly passedOver: readonly { readonly pages: string; readonly code: string; readonly reason: string }[]
  /** To allocate and populate. */
  readonly milliseconds: number
}

export interface PhysicalStep {
  /** How many pages are in each state. */
  readonly states: Readonly<Record<'present' | 'swapped' | 'hidden' | 'absent', number>>
  readonly milliseconds: number
  /** null when physical addresses are hidden. */
  readonly runs:
    | readonly { readonly offset: number; readonly physicalAddress: bigint; readonly length: number }[]
    | null
  /** Entries of a device's page table, by the size of its pages; null when physical addresses are hidden. */
  readonly pageTables: readonly { readonly pageSize: number; readonly entries: number }[] | null
}

export interface BytesStep {
  readonly writeMilliseconds: number
  readonly readMilliseconds: number
  /** 32-bit words that were not read as they were written. */
  readonly differences: number
}

export interface WorkerStep {
  readonly thread: number
  /** The size of what was handed over. */
  readonly handleBytes: number
  /** Where the worker saw the region. */
  readonly address: bigint
  /** 32-bit words that the worker did not read as they were written here. */
  readonly differencesThere: number
  /** 32-bit words that were not read here as the worker had written them. */
  readonly differencesHere: number
  /** To attach, read all and write all, in the worker. */
  readonly milliseconds: number
}

export interface DeviceStep {
  /** 'rxe0', 'loopback0' */
  readonly name: string
  /** 'verbs' for a real one, 'loopback' for the one in this process. */
  readonly kind: 'verbs' | 'loopback'
  /** Devices that come before it and could not be used, and why. */
  readonly passedOver: readonly { readonly device: string; readonly code: string; readonly reason: string }[]
  readonly registration: {
    readonly bytes: number
    readonly access: readonly string[]
    readonly milliseconds: number
  }
  /** One-sided writes of the whole region from a second queue pair. */
  readonly write: {
    readonly bytes: number
    readonly requests: number
    /** 32-bit words of the region that are not as they were to be written. */
    readonly differences: number
    /** From posting to completion, all requests together. */
    readonly milliseconds: number
  }
}

export interface VerificationStep {
  readonly pages: number
  readonly moved: number
  readonly milliseconds: number
}
