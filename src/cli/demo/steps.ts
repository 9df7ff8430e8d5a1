import { machine, release } from 'node:os'
import type { Region } from '../../registry/region.js'
import { KiB } from '../../sizes.js'
import { basePageSize } from '../../system/page-sizes.js'
import type { Run } from '../../translate/runs.js'
import type { Translation } from '../../translate/translation.js'
import { capabilityHint } from '../../translate/unknown-page.js'
import { detectVirtualMachine, readMachineSigns } from '../doctor/virtual-machine.js'
import { readPackageVersion } from '../package-version.js'
import { handToWorker } from './hand-over.js'
import type { PageSupply } from './pages.js'
import { countDifferences, writePattern } from './pattern.js'
import type {
  Advice,
  BytesStep,
  MachineStep,
  PagesStep,
  PhysicalStep,
  RegionStep,
  VerificationStep,
  WorkerStep,
} from './report.js'

// Each step does one thing of the demo and returns what it measured.

/** The seed of the main thread's pattern, and that of the worker's answer. */
const ours = 0x5eed
const theirs = 0xfeed

export function lookAtMachine(): MachineStep {
  return {
    pinfold: readPackageVersion(),
    node: process.version,
    kernel: release(),
    arch: machine(),
    virtual: detectVirtualMachine(readMachineSigns()) ?? null,
    basePageSize,
  }
}

export function describeSupply({ pool, enough, loan, repaired, refusals }: PageSupply): PagesStep {
  return {
    pool: pool === undefined ? null : { pageSize: pool.pageSize, total: pool.total, free: pool.free },
    enough,
    borrowed: loan?.pages ?? 0,
    repaired,
    refusals: refusals.map(({ code, message }) => ({ code, reason: message })),
  }
}

export function describeRegion(region: Region, milliseconds: number): RegionStep {
  const { name, address, size, pages, pageSize, nodes, hugeShare, passedOver } = region
  return {
    name,
    address,
    size,
    pages,
    pageSize,
    pageCount: size / pageSize,
    nodes,
    hugeShare,
    passedOver: passedOver.map(({ pages, code, reason }) => ({ pages, code, reason })),
    milliseconds,
  }
}

export function translate(region: Region): { readonly translation: Translation; readonly step: PhysicalStep } {
  const begin = performance.now()
  const translation = region.translate()
  const milliseconds = performance.now() - begin
  const { states } = translation
  if (states.present < translation.pageCount) {
    return { translation, step: { states, milliseconds, runs: null, pageTables: null } }
  }
  const runs = translation.runs()
  // A device's small page is 4 KiB, whatever this machine's base page is.
  const small = 4 * KiB
  const large = region.pages === 'transparent' ? largestPage(runs) : region.pageSize
  const pageTables = [...new Set([small, large])].map((pageSize) => ({
    pageSize,
    entries: translation.pageTable(pageSize).entries,
  }))
  const exact = runs.map(({ offset, physicalAddress, length }) => ({
    offset,
    physicalAddress: BigInt(physicalAddress),
    length,
  }))
  return { translation, step: { states, milliseconds, runs: exact, pageTables } }
}

/**
 * The largest page size that divides all runs. A device may use such pages even if the processor has none of that size.
 */
function largestPage(runs: readonly Run[]): number {
  const bits = runs.reduce((all, { physicalAddress, length }) => all | BigInt(physicalAddress) | BigInt(length), 0n)
  return Number(bits & -bits)
}

export function writeAndRead(region: Region): BytesStep {
  const bytes = region.bytes
  const begin = performance.now()
  writePattern(bytes, ours)
  const written = performance.now()
  const differences = countDifferences(bytes, ours)
  return { writeMilliseconds: written - begin, readMilliseconds: performance.now() - written, differences }
}

export async function handOver(region: Region): Promise<WorkerStep> {
  const task = { handle: region.handle, expected: ours, answer: theirs }
  const { thread, handleBytes, address, differences, milliseconds } = await handToWorker(task)
  return {
    thread,
    handleBytes,
    address,
    differencesThere: differences,
    differencesHere: countDifferences(region.bytes, theirs),
    milliseconds,
  }
}

export function verify(translation: Translation): VerificationStep {
  const begin = performance.now()
  const { movedPages } = translation.verify()
  return { pages: translation.pageCount, moved: movedPages, milliseconds: performance.now() - begin }
}

/** The commands that would give better pages, or physical addresses. */
export function advise(region: Region, physical: PhysicalStep): Advice[] {
  const [best] = region.passedOver
  const missing = [
    ...(best === undefined ? [] : [`${best.pages} pages`]),
    ...(physical.runs === null ? ['physical addresses'] : []),
  ]
  if (missing.length === 0) return []
  if (process.geteuid?.() !== 0) {
    // As root, the demo borrows the pages that it needs, and sees physical addresses.
    const isScript = process.env.npm_lifecycle_event === 'demo'
    const command = isScript ? 'npm run demo' : `${process.argv.slice(0, 2).join(' ')} demo`
    return [{ gives: missing.join(' and '), command: `sudo ${command}` }]
  }
  const hints = [
    { gives: missing[0] ?? '', command: best?.hint },
    { gives: 'physical addresses', command: physical.runs === null ? capabilityHint('SYS_ADMIN') : undefined },
  ]
  return hints.flatMap(({ gives, command }) => (command === undefined ? [] : [{ gives, command }]))
}
