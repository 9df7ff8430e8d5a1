import type { Remains } from './remains.js'

/** The size of the demo's region. */
export const demoSize = 64 * 2 ** 20

/**
 * The results of one run of the demo: `pinfold demo --json`. Sizes are bytes, times are milliseconds, and addresses are
 * bigints.
 */
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
  /** Commands that make the next run better. */
  readonly more: readonly Advice[]
}

export interface Advice {
  /** The improvement that the command gives: '2MiB pages'. */
  readonly gives: string
  readonly command: string
}

export interface MachineStep {
  readonly pinfold: string
  readonly node: string
  readonly kernel: string
  readonly arch: string
  /** The virtual machine's name; 'unnamed' if its name is not known, null on bare metal. */
  readonly virtual: string | null
  readonly basePageSize: number
}

export interface PagesStep {
  /** The hugepage pool that the pages should come from, as it was before the run; null without hugetlb pages. */
  readonly pool: { readonly pageSize: number; readonly total: number; readonly free: number } | null
  /** Whether the pool has enough pages for the region, including borrowed ones. */
  readonly enough: boolean
  /** The number of pages that were added to the pool for this run. */
  readonly borrowed: number
  /** Pages that killed runs left, and that were taken back now. */
  readonly repaired: readonly { readonly pid: number; readonly pageSize: number; readonly pages: number }[]
  /** The reasons why pages could not be borrowed. */
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
  /** The share of the region that is on huge pages, from smaps: 0 to 1. */
  readonly hugeShare: number
  /** Better pages that the region did not get, and the reasons. */
  readonly passedOver: readonly { readonly pages: string; readonly code: string; readonly reason: string }[]
  /** The time to allocate and populate the region. */
  readonly milliseconds: number
}

export interface PhysicalStep {
  /** The number of pages in each state. */
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
  /** The size of the handle in its serialized form. */
  readonly handleBytes: number
  /** The address of the region in the worker. */
  readonly address: bigint
  /** 32-bit words that the worker did not read as they were written here. */
  readonly differencesThere: number
  /** 32-bit words that were not read here as the worker had written them. */
  readonly differencesHere: number
  /** The worker's time to attach, to read everything and to write everything. */
  readonly milliseconds: number
}

export interface DeviceStep {
  /** 'rxe0', 'loopback0' */
  readonly name: string
  /** 'verbs' for a real device, 'loopback' for the device in this process. */
  readonly kind: 'verbs' | 'loopback'
  /** Devices that come before this one and could not be used, and the reasons. */
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
    /** 32-bit words of the region that differ from what was written. */
    readonly differences: number
    /** The time from posting to completion, for all requests together. */
    readonly milliseconds: number
  }
}

export interface VerificationStep {
  readonly pages: number
  readonly moved: number
  readonly milliseconds: number
}
