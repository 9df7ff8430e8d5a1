import type { PageFlags, PageFrame } from '../../translate/page-flags.js'
import type { PageState } from '../../translate/pagemap.js'
import type { ProcessTranslation } from '../../translate/process-translation.js'

/** Pages in a row that are in the same state, have the same flags, and are physically contiguous. */
export interface Stretch {
  /** Virtual address of its first page. */
  readonly address: bigint
  /** null unless `present`. */
  readonly physicalAddress: bigint | null
  /** Bytes, whole base pages. */
  readonly length: number
  readonly state: PageState
  /** The flags from pagemap. */
  readonly flags: readonly string[]
  /** The flags from /proc/kpageflags, without the place within a compound page; null if they cannot be read. */
  readonly kernelFlags: readonly string[] | null
  /** The number of times that each page is mapped; null if it cannot be read. */
  readonly mapCount: number | null
}

/** Every base page of a huge page differs in these flags. If they counted, each would be a stretch of its own. */
const placeInCompound: readonly string[] = ['compoundHead', 'compoundTail']

/** Joins pages as long as only their addresses differ. */
export function* stretchesOf(translation: ProcessTranslation, frames: PageFlags | undefined): Generator<Stretch, void> {
  let current: Stretch | undefined
  let offset = 0
  for (const page of translation.pages()) {
    const frame = page.state === 'present' ? frames?.at(offset) : undefined
    const next: Stretch = {
      address: page.address,
      physicalAddress: page.physicalAddress === undefined ? null : BigInt(page.physicalAddress),
      length: translation.pageSize,
      state: page.state,
      flags: flagsOf(page),
      kernelFlags: frame === undefined ? null : kernelFlagsOf(frame),
      mapCount: frame?.mapCount ?? null,
    }
    if (current !== undefined && continues(current, next)) {
      current = { ...current, length: current.length + next.length }
    } else {
      if (current !== undefined) yield current
      current = next
    }
    offset += translation.pageSize
  }
  if (current !== undefined) yield current
}

function flagsOf(page: {
  readonly fileOrShared: boolean
  readonly exclusivelyMapped: boolean
  readonly softDirty: boolean
  readonly writeProtected: boolean
  readonly guard: boolean
}): string[] {
  const { fileOrShared, exclusivelyMapped, softDirty, writeProtected, guard } = page
  const all = { fileOrShared, exclusivelyMapped, softDirty, writeProtected, guard }
  return Object.entries(all)
    .filter(([, isSet]) => isSet)
    .map(([name]) => name)
}

function kernelFlagsOf({ flags }: PageFrame): string[] {
  const isCompound = flags.some((flag) => placeInCompound.includes(flag))
  const rest = flags.filter((flag) => !placeInCompound.includes(flag))
  return isCompound ? ['compound', ...rest] : rest
}

function continues(one: Stretch, next: Stretch): boolean {
  const isContiguous =
    one.physicalAddress === null
      ? next.physicalAddress === null
      : one.physicalAddress + BigInt(one.length) === next.physicalAddress
  return (
    isContiguous &&
    one.state === next.state &&
    one.mapCount === next.mapCount &&
    `${one.flags}` === `${next.flags}` &&
    `${one.kernelFlags}` === `${next.kernelFlags}`
  )
}
