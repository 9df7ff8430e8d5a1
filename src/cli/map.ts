import { defineCommand } from 'citty'
import { readKernelFile } from '../system/kernel-files.js'
import { type AddressRange, mapProcess, mappingAround } from '../translate/memory-map/memory-map.js'
import { commonArguments, parseAddress, parseCount, parseLength } from './arguments.js'
import { exitCode } from './exit-code.js'
import { requireWritable, writePage } from './html-file.js'
import { renderMap } from './map/render.js'
import { type MapReport, reportMap } from './map/report.js'
import { Output } from './output.js'

/** Shows where the memory of a process lies physically, and the page tables that map it. */
export const map = defineCommand({
  meta: {
    name: 'map',
    description: 'Show how memory of a process lies: physical runs, page sizes, fragmentation, page tables',
  },
  args: {
    pid: { type: 'positional', description: 'The pid of the process', required: true },
    address: {
      type: 'positional',
      description: 'A virtual address of that process (default: all its memory)',
      required: false,
    },
    length: {
      type: 'positional',
      description: 'The length of the range: 4096, 64MiB (default: the mapping that contains the address)',
      required: false,
    },
    html: { type: 'string', description: 'Also write a page with pictures to this file', valueHint: 'file' },
    all: { type: 'boolean', description: 'List every run and every page table' },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const pid = parseCount(args.pid, 'a pid', 1)
    const address = args.address === undefined ? undefined : parseAddress(args.address)
    const length = args.length === undefined ? undefined : parseLength(args.length)
    const write = args.html === undefined ? undefined : await pageWriter(args.html)
    output.progress(`reading the memory of process ${pid} …`)
    const range = address === undefined ? undefined : rangeOf(pid, address, length)
    const report = reportMap(mapProcess(pid, range), readKernelFile(`/proc/${pid}/comm`)?.trim() ?? '')
    write?.(report)
    output.report(report, (report, paint) => renderMap(report, paint, args.all === true))
    if (args.html !== undefined) output.piece(`\npictures in ${args.html}`)
    return report.bytes.hidden > 0 ? exitCode.permission : exitCode.ok
  },
})

function rangeOf(pid: number, address: bigint, length: number | undefined): AddressRange {
  return length === undefined ? mappingAround(pid, address) : { address, length }
}

/** A file that cannot be written is refused here, first. The library that draws is loaded only here. */
async function pageWriter(path: string): Promise<(report: MapReport) => void> {
  requireWritable(path)
  const { renderPage } = await import('./map/html-page.js')
  return (report) => writePage(path, renderPage(report))
}
