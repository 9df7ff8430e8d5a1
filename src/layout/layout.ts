import * as z from 'zod/mini'
import { disposeAll, disposeBy } from '../disposal.js'
import { PinfoldError } from '../errors.js'
import { createHeap, type Heap } from '../heap/heap.js'
import type { HeapOptions } from '../heap/options.js'
import { alignedMemory, type MemoryRange, type RegionMemory } from '../memory/region-memory.js'
import { checked, later, table } from '../options.js'
import { attachPackets, createPackets, packetsBytes, packetsFor } from '../packet/open-packets.js'
import type { PacketsOptions } from '../packet/options.js'
import type { Packets } from '../packet/packets.js'
import type { BufferPool } from '../pool/buffer-pool.js'
import { attachBufferPool, bufferPoolBytes, bytesOf, createBufferPool, poolFor } from '../pool/open-pool.js'
import type { BufferPoolOptions } from '../pool/options.js'
import { attachRing, createRing, ringBytes } from '../ring/open-ring.js'
import type { RingOptions } from '../ring/options.js'
import type { Ring } from '../ring/ring.js'
import { parseSize, type Size } from '../sizes.js'
import { basePageSize } from '../system/page-sizes.js'

/** The options of each kind of thing. Each says how large the thing is. */
export interface LayoutOptions {
  readonly ring: RingOptions & { readonly count: number }
  readonly pool: BufferPoolOptions & { readonly count: number }
  readonly packets: PacketsOptions & { readonly count: number }
  /** `size`: bytes of the heap, a multiple of 16 or rounded up to one. */
  readonly heap: HeapOptions & { readonly size: Size }
}

/** What each kind of thing is. */
export interface LayoutThings {
  readonly ring: Ring
  readonly pool: BufferPool
  readonly packets: Packets
  readonly heap: Heap
}

/** A kind of things that a layout places. */
export type LayoutKind = keyof LayoutOptions

/** A thing of a layout: the options of its kind, and the kind, which may be left out if the name is a kind. */
export type LayoutPart = { [K in LayoutKind]: LayoutOptions[K] & { readonly kind: K } }[LayoutKind]

/** The things of a layout by their names: `{ packets: { count: 512 }, free: { kind: 'ring', count: 1024 } }`. */
export type LayoutParts<Names extends PropertyKey = string> = {
  readonly [Name in Names]:
    | LayoutPart
    | (Name extends LayoutKind ? LayoutOptions[Name] & { readonly kind?: undefined } : never)
}

/** The kind of a part: its `kind`, or else its name. */
export type LayoutKindOf<Name, Part> = Part extends { readonly kind: infer K extends LayoutKind }
  ? K
  : Name extends LayoutKind
    ? Name
    : never

/** What a layout places, by name. Disposing it closes all of it, the last one first. */
export type Layout<Parts> = {
  readonly [Name in keyof Parts]: LayoutThings[LayoutKindOf<Name, Parts[Name]>]
} & Disposable

/** A layout without its heaps. */
export type AttachedLayout<Parts> = {
  readonly [Name in keyof Parts as LayoutKindOf<Name, Parts[Name]> extends 'heap'
    ? never
    : Name]: LayoutThings[LayoutKindOf<Name, Parts[Name]>]
} & Disposable

const alignment = 64
const mostParts = 256
const pageBytes = later(() => z.int().check(z.minimum(4096), z.maximum(2 ** 40)))
const kinds = later(() => z.enum(['ring', 'pool', 'packets', 'heap']))
const name = later(() => z.string().check(z.minLength(1), z.maxLength(200)))
const mostOptions = 64
// The functions of each kind check the values. Here they are only read, once.
const options = later(() => table(z.string(), z.unknown(), { most: mostOptions, expected: 'expected options' }))
const layoutParts = later(() => table(name, options, { most: mostParts, expected: 'expected options by names' }))

interface CheckedPart {
  readonly name: string
  readonly kind: LayoutKind
  /** The caller's options, read once. The kind checks them. */
  readonly options: Readonly<Record<string, unknown>>
}

/** How things of one kind are placed. Its functions check the options. */
interface Placement<K extends LayoutKind> {
  /** An upper bound of its bytes, wherever it starts in a region with pages of this size. */
  most(options: LayoutOptions[K], pageSize: number): number
  /** Its bytes if it starts where the range does. */
  exact(options: LayoutOptions[K], range: MemoryRange): number
  create(memory: RegionMemory, options: LayoutOptions[K]): LayoutThings[K]
  /** Undefined if a thing of this kind belongs to the thread that made it. */
  attach(memory: RegionMemory, options: LayoutOptions[K]): LayoutThings[K] | undefined
}

const placements: { readonly [K in LayoutKind]: Placement<K> } = {
  ring: {
    most: ({ count }) => ringBytes(count),
    exact: ({ count }) => ringBytes(count),
    create: createRing,
    attach: (memory, { patience }) => attachRing(memory, { patience }),
  },
  pool: {
    // It may start in the middle of a page, and its elements a page, or their alignment, later.
    most: (options, pageSize) => bufferPoolBytes(options, pageSize) + Math.max(pageSize, options.align ?? 0),
    exact: (options, range) => bytesOf(poolFor('layout', range, options).shape),
    create: createBufferPool,
    attach: (memory, { patience, statistics, tracking }) =>
      attachBufferPool(memory, { patience, statistics, tracking }),
  },
  packets: {
    most: packetsBytes,
    exact: (options, range) => packetsFor(range, options).length,
    create: createPackets,
    attach: attachPackets,
  },
  heap: {
    most: ({ size }) => heapBytes(size),
    exact: ({ size }) => heapBytes(size),
    create: createHeapOf,
    // A heap's records are not in the region. A second heap over the same bytes would allocate them again.
    attach: () => undefined,
  },
}

function heapBytes(size: Size): number {
  return Math.ceil(parseSize(size) / 16) * 16
}

function createHeapOf(memory: RegionMemory, { size: _, ...options }: LayoutOptions['heap']): Heap {
  return createHeap(memory, options)
}

/**
 * Bytes of a region with pages of `pageSize` bytes that `createLayout` needs for these parts at most.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function layoutBytes<const Parts extends LayoutParts<keyof Parts>>(
  parts: Parts,
  pageSize = basePageSize,
): number {
  checked('layoutBytes: pageSize', pageBytes, pageSize)
  let bytes = 0
  for (const { kind, options } of checkedParts('layoutBytes', parts)) bytes += aligned(mostOf(kind, options, pageSize))
  return bytes
}

/**
 * Places several things in one memory, one behind the other, and makes them: rings, buffer pools, packets and heaps. All
 * or nothing.
 *
 * @param memory a region, or a slice that starts at a multiple of 64 bytes; `layoutBytes` says how large it must be
 * @param parts the options of each thing by its name, with its size (`count`, of a heap `size`)
 * @returns the things by their names. Each is closed like any other; disposing the layout closes all of them
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` when they do not fit, `ERR_RANGE_IN_USE`,
 *   `ERR_REGION_CLOSED`; as the functions that make the things
 */
export function createLayout<const Parts extends LayoutParts<keyof Parts>>(
  memory: RegionMemory,
  parts: Parts,
): Layout<Parts> {
  return placed('createLayout', memory, parts, createOf) as Layout<Parts>
}

/**
 * The layout that `createLayout` has made in this memory with the same parts, in another thread or process. Heaps are left
 * out: a heap belongs to the thread that made it.
 *
 * @throws PinfoldError as the functions that attach the things, when another thing is there
 */
export function attachLayout<const Parts extends LayoutParts<keyof Parts>>(
  memory: RegionMemory,
  parts: Parts,
): AttachedLayout<Parts> {
  return placed('attachLayout', memory, parts, attachOf) as AttachedLayout<Parts>
}

type Options = CheckedPart['options']

function placed<Parts>(
  subject: string,
  memory: RegionMemory,
  parts: Parts,
  open: (kind: LayoutKind, slice: RegionMemory, options: Options) => LayoutThings[LayoutKind] | undefined,
): unknown {
  const range = alignedMemory(subject, memory)
  const things = new Map<string, LayoutThings[LayoutKind]>()
  // A pool or packets that this thread has open already are the program's to close.
  const before = range.core.claims.claimants
  const close = () => disposeAll([...things.values()].filter((thing) => !before.has(thing)).reverse())
  try {
    let at = 0
    for (const { name, kind, options } of checkedParts(subject, parts)) {
      const left = { core: range.core, offset: range.offset + at, length: range.length - at }
      if (left.length <= 0) throw doesNotFit(subject, name, range)
      const bytes = exactOf(kind, options, left)
      if (bytes > left.length) throw doesNotFit(subject, name, range)
      const thing = open(kind, memory.slice(at, bytes), options)
      if (thing !== undefined) things.set(name, thing)
      at += aligned(bytes)
    }
  } catch (error) {
    try {
      close()
    } catch {
      // The first error says more. A thing that cannot be closed now is closed with the region's registry.
    }
    throw error
  }
  const layout = { ...Object.fromEntries(things), [Symbol.dispose]: () => disposeBy(close) }
  return Object.freeze(layout)
}

// The options were read once, and are checked by the functions of their kind.

function mostOf(kind: LayoutKind, options: Options, pageSize: number): number {
  return (placements[kind] as Placement<LayoutKind>).most(options as never, pageSize)
}

function exactOf(kind: LayoutKind, options: Options, range: MemoryRange): number {
  return (placements[kind] as Placement<LayoutKind>).exact(options as never, range)
}

function createOf(kind: LayoutKind, slice: RegionMemory, options: Options): LayoutThings[LayoutKind] {
  return (placements[kind] as Placement<LayoutKind>).create(slice, options as never)
}

function attachOf(kind: LayoutKind, slice: RegionMemory, options: Options): LayoutThings[LayoutKind] | undefined {
  return (placements[kind] as Placement<LayoutKind>).attach(slice, options as never)
}

function checkedParts(subject: string, parts: unknown): CheckedPart[] {
  return [...checked(subject, layoutParts, parts)].map(([name, given]) => {
    const { kind = name, ...options } = Object.fromEntries(given)
    const size = kind === 'heap' ? 'size' : 'count'
    if (options[size] === undefined) {
      throw new PinfoldError(`${subject}: ${name}.${size}: expected a number, received undefined`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { option: `${name}.${size}`, received: undefined },
      })
    }
    return { name, kind: checked(`${subject}: ${name}.kind`, kinds, kind), options }
  })
}

function doesNotFit(subject: string, name: string, { core, length }: MemoryRange): PinfoldError {
  return new PinfoldError(`${subject}: ${name} does not fit in the ${length} bytes of region '${core.name}'`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { part: name, bytes: length },
    hint: `layoutBytes(parts, ${core.pageSize}) says how many bytes they need`,
  })
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment
}
