import { readdirSync, readlinkSync } from 'node:fs'
import { PinfoldError } from '../../errors.js'
import { openLoans, readPools } from '../../hugepages/index.js'
import { native } from '../../native.js'
import { formatSize } from '../../sizes.js'
import { readKernelFile } from '../../system/kernel-files.js'
import { parseMappings } from '../../system/process-mappings.js'

/** A count by the name of what is counted. Bytes for mappings. */
export type Counts = ReadonlyMap<string, number>

/** What the process, or the machine, uses of something. A leak is more of it than before. */
export interface Measure {
  readonly count: () => Counts
  /** Describes what is more than before. */
  readonly leak: (name: string, more: number) => string
}

/** What this process has: of all its threads together. */
export const processMeasures: readonly Measure[] = [
  { count: descriptors, leak: (name, more) => `descriptors of ${name}: ${more} more` },
  { count: mappings, leak: (name, more) => `mappings of ${name}: ${formatSize(more)} more` },
  { count: hugetlbMemory, leak: (_name, more) => `hugepages in use by this process: ${formatSize(more)} more` },
  { count: loans, leak: (name, more) => `loans of ${name} hugepages: ${more} more` },
  { count: verbsObjects, leak: (_name, more) => `objects of libibverbs: ${more} more` },
]

/** What all processes of this machine have together. */
export const machineMeasures: readonly Measure[] = [
  { count: hugepages, leak: (name, more) => `hugepages of ${name}: ${more} more` },
]

function total(entries: Iterable<readonly [string, number]>): Counts {
  const counts = new Map<string, number>()
  for (const [name, count] of entries) counts.set(name, (counts.get(name) ?? 0) + count)
  return counts
}

/**
 * Open files that pinfold opens: memory of regions, and devices. Node opens others of its own at any time. A thread keeps
 * its channel to the connection manager (rdma_cm) from its first connection to its end, so that is none of them.
 */
function descriptors(): Counts {
  const targets = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`)
    } catch {
      return '' // the descriptor with which this folder was read
    }
  })
  const ours = targets.filter((target) =>
    /pinfold:|hugetlbfs|\/dev\/infiniband\/(?!rdma_cm$)|infinibandevent/.test(target),
  )
  return total(ours.map((target) => [target, 1]))
}

function mappings(): Counts {
  const ours = parseMappings(readKernelFile('/proc/self/maps') ?? '').filter(({ name }) => name.includes('pinfold:'))
  return total(ours.map(({ name, start, end }) => [name, Number(end - start)]))
}

/** HugetlbPages of proc_pid_status(5), in bytes. */
function hugetlbMemory(): Counts {
  const kilobytes = /^HugetlbPages:\s+(\d+) kB$/m.exec(readKernelFile('/proc/self/status') ?? '')?.[1]
  return new Map([['', Number(kilobytes ?? 0) * 1024]])
}

function loans(): Counts {
  try {
    const own = openLoans().filter(({ pid }) => pid === process.pid)
    return total(own.map(({ pageSize }) => [formatSize(pageSize), 1]))
  } catch (error) {
    // This process may not read the journals, so it has no loans, either.
    if (error instanceof PinfoldError) return new Map()
    throw error
  }
}

/** They are counted only while faults can be injected; otherwise this stays 0. */
function verbsObjects(): Counts {
  return new Map([['', native.verbs.test.live()]])
}

/** Pages in use, and pages that were added to the pools. */
function hugepages(): Counts {
  return total(
    readPools()
      .filter(({ node }) => node === undefined)
      .flatMap(({ pageSize, total: all, free }): [string, number][] => [
        [`${formatSize(pageSize)} in use`, all - free],
        [`${formatSize(pageSize)} in the pool`, all],
      ]),
  )
}
