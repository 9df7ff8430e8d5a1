import { readFileSync, statSync } from 'node:fs'

// The kernel's own dump of page tables, /sys/kernel/debug/page_tables (CONFIG_PTDUMP_DEBUGFS). On x86-64, the file
// current_kernel shows the tables of the process that reads it (arch/x86/mm/debug_pagetables.c).

const file = '/sys/kernel/debug/page_tables/current_kernel'

/** The reason why there is no dump. */
export function whyNotDump(): string | undefined {
  try {
    statSync(file)
    return undefined
  } catch {
    return 'needs a kernel with CONFIG_PTDUMP_DEBUGFS, and debugfs mounted on /sys/kernel/debug'
  }
}

/** A row of entries in the kernel's dump. */
export interface DumpedEntries {
  readonly start: bigint
  /** The first address after it. */
  readonly end: bigint
  /** 'pte', 'pmd' or 'pud': the level of the entries. */
  readonly level: string
}

/** The entries of this process that map pages in `[start, end)`, cut to it. */
export function readDump(start: bigint, end: bigint): DumpedEntries[] {
  return parseDump(readFileSync(file, 'latin1'))
    .filter((entries) => entries.start < end && entries.end > start)
    .map((entries) => ({
      start: entries.start < start ? start : entries.start,
      end: entries.end > end ? end : entries.end,
      level: entries.level,
    }))
}

/**
 * Parses a dump. A line has addresses, a size, the attributes and the level:
 * '0x00007f0000000000-0x00007f0000200000           2M USR RW         PSE             NX pmd'. A hole has no attributes.
 */
export function parseDump(text: string): DumpedEntries[] {
  return text.split('\n').flatMap((line) => {
    const [, start, end, attributes = '', level = ''] =
      /^0x([0-9a-f]+)-0x([0-9a-f]+)\s+\d+[KMGTPE]\b(.*?)\s(pte|pmd|pud|p4d|pgd)\s*$/.exec(line) ?? []
    if (start === undefined || attributes.trim() === '') return []
    return [{ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), level }]
  })
}
