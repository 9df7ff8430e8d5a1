/**
 * The bit numbers in a word of /proc/kpageflags. Bits 0 to 26 are a stable interface of the kernel
 * (include/uapi/linux/kernel-page-flags.h; explained in Documentation/admin-guide/mm/pagemap.rst). Bits from 32 on are
 * for kernel developers and may change (include/linux/kernel-page-flags.h). Newer kernels never set `error` and
 * `uncached`.
 */
const bits = {
  locked: 0,
  error: 1,
  referenced: 2,
  upToDate: 3,
  dirty: 4,
  lru: 5,
  active: 6,
  slab: 7,
  writeback: 8,
  reclaim: 9,
  buddy: 10,
  mmap: 11,
  anonymous: 12,
  swapCache: 13,
  swapBacked: 14,
  /** First page of a compound page: of a hugetlb page, a transparent huge page, a large folio. */
  compoundHead: 15,
  /** Any other page of a compound page. */
  compoundTail: 16,
  /** Hugetlb page. */
  huge: 17,
  unevictable: 18,
  /** The hardware has reported a memory error in the page. */
  hardwarePoison: 19,
  /** There is no page frame of that number. */
  noPage: 20,
  ksm: 21,
  /** Transparent huge page. */
  thp: 22,
  offline: 23,
  zeroPage: 24,
  idle: 25,
  pageTable: 26,
  reserved: 32,
  mlocked: 33,
  /** `mappedToDisk` before Linux 6.14. */
  owner2: 34,
  private: 35,
  private2: 36,
  ownerPrivate: 37,
  arch: 38,
  uncached: 39,
  softDirty: 40,
  arch2: 41,
  arch3: 42,
} as const

/** A flag of /proc/kpageflags by name. */
export type PageFlag = keyof typeof bits

const isFlag = (name: string): name is PageFlag => name in bits
const names = new Map(
  Object.keys(bits)
    .filter(isFlag)
    .map((name): [number, PageFlag] => [bits[name], name]),
)

/** Whether there is a flag of that name. */
export function isPageFlag(name: unknown): name is PageFlag {
  return typeof name === 'string' && Object.hasOwn(bits, name)
}

/** Whether the flag is set in a word that is given as its two halves. */
export function hasFlag(flag: PageFlag, low: number, high: number): boolean {
  const bit = bits[flag]
  return (((bit < 32 ? low : high) >>> (bit & 31)) & 1) === 1
}

/** The names of all flags in a word that is given as its two halves, by bit number. Bits without a name are omitted. */
export function flagsOf(low: number, high: number): PageFlag[] {
  return namesIn(low, 0).concat(namesIn(high, 32))
}

function namesIn(half: number, firstBit: number): PageFlag[] {
  const found: PageFlag[] = []
  for (let rest = half; rest !== 0; rest &= rest - 1) {
    const name = names.get(firstBit + 31 - Math.clz32(rest & -rest))
    if (name !== undefined) found.push(name)
  }
  return found
}
