import { defineCommand } from 'citty'
import { formatAddress } from '../addresses.js'
import { type FrameMappings, findMappings } from '../translate/reverse-map/find-mappings.js'
import { commonArguments, parseAddress } from './arguments.js'
import { exitCode } from './exit-code.js'
import { formatCount, Output, type Paint, renderTable } from './output.js'

/** Shows which processes map a page frame. */
export const whose = defineCommand({
  meta: { name: 'whose', description: 'Show which processes map the page at a physical address' },
  args: {
    address: { type: 'positional', description: 'A physical address: 0x3f2600000', required: true },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const found = await findMappings(Number(parseAddress(args.address)), {
      onProgress: ({ pid, done, total }) => output.progress(`searching process ${pid}, ${done} of ${total} …`),
    })
    output.report(
      { schema: 'pinfold/whose/1', ...found, physicalAddress: BigInt(found.physicalAddress) } as const,
      (_, paint) => renderMappings(found, paint),
    )
    // A process that may not be read matters only if the kernel counts more mappings than were found.
    const isMissing = found.unreadable.length > 0 && found.mapCount > found.mappings.length
    return isMissing ? exitCode.permission : exitCode.ok
  },
})

export function renderMappings(found: FrameMappings, paint: Paint): string {
  const { physicalAddress, flags, mapCount, mappings, processes, unreadable } = found
  const head = [
    paint(
      `${formatAddress(physicalAddress)}: ${times(mappings.length)} in ${formatCount(processes)} processes`,
      'bold',
    ),
    `the kernel counts ${times(mapCount)} (/proc/kpagecount)`,
    `flags: ${flags.length === 0 ? 'none' : flags.join(', ')}`,
    ...notes(found).map((note) => paint(note, 'yellow')),
    ...(unreadable.length > 0 ? [paint(`may not be read: process ${unreadable.join(', ')}`, 'yellow')] : []),
  ]
  if (mappings.length === 0) return head.join('\n')
  const rows = mappings.map(({ pid, command, address, mapping }) => [
    `${pid}`,
    command,
    formatAddress(address),
    mapping.permissions,
    mapping.name === '' ? 'anonymous' : mapping.name,
  ])
  const columns = [
    { title: 'pid', align: 'right' },
    { title: 'command' },
    { title: 'virtual' },
    { title: 'access' },
    { title: 'mapping' },
  ] as const
  return [...head, '', renderTable(columns, rows, paint)].join('\n')
}

/** Why the kernel's count differs from the number of mappings that were found. */
function notes({ mapCount, mappings, flags }: FrameMappings): string[] {
  if (mapCount === mappings.length) return []
  if (flags.includes('zeroPage')) return ['this is the zero page, whose mappings the kernel does not count']
  return mapCount > mappings.length
    ? ['the other mappings belong to processes that are not seen here, or changed during the search']
    : ['processes share page tables or all of their memory, or the mappings changed during the search']
}

function times(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'mapping' : 'mappings'}`
}
