import { formatAddress } from '../../addresses.js'
import { formatSize } from '../../sizes.js'
import { formatCount, type Paint, pad } from '../output.js'
import type {
  Advice,
  BytesStep,
  DemoReport,
  MachineStep,
  PagesStep,
  PhysicalStep,
  RegionStep,
  VerificationStep,
  WorkerStep,
} from './report.js'
import { demoSize } from './report.js'

// Each function makes the lines of one step, so that a step is shown as soon as it was measured.

const labelWidth = 12
/** More runs than these are counted, not listed. */
const mostRuns = 6

export class DemoText {
  readonly #paint: Paint

  constructor(paint: Paint) {
    this.#paint = paint
  }

  machine({ pinfold, node, kernel, arch, virtual, basePageSize }: MachineStep): string {
    const where = virtual === null ? 'bare metal' : `a virtual machine${virtual === 'unnamed' ? '' : ` (${virtual})`}`
    return [
      this.#paint(`pinfold ${pinfold}: ${formatSize(demoSize)} that a device can use`, 'bold'),
      this.#dim(`Linux ${kernel} ${arch}, ${where}, base pages of ${formatSize(basePageSize)}, Node ${node}`),
      '',
    ].join('\n')
  }

  pages({ pool, borrowed, repaired, refusals }: PagesStep): string {
    const mended = repaired.map(
      ({ pid, pages, pageSize }) =>
        `took back ${formatCount(pages)} pages of ${formatSize(pageSize)} that process ${pid} left when it was killed`,
    )
    const lines = mended.map((text) => this.#line('repaired', text))
    if (pool === null) {
      const why = refusals.map(({ reason }) => reason)
      return [
        ...lines,
        ...(why.length > 0 ? why : ['no pool has enough free']).map((text) => this.#line('pool', text)),
      ].join('\n')
    }
    const size = formatSize(pool.pageSize)
    const counts = `${size} pages: ${formatCount(pool.total)} in the pool, ${formatCount(pool.free)} free`
    const loan = borrowed > 0 ? `; ${formatCount(borrowed)} borrowed for this run` : ''
    return [...lines, this.#line('pool', counts + loan)].join('\n')
  }

  region({
    pages,
    pageSize,
    pageCount,
    address,
    size,
    nodes,
    hugeShare,
    passedOver,
    milliseconds,
  }: RegionStep): string {
    const kind = /^\d/.test(pages) ? `${formatCount(pageCount)} hugetlb pages of ${pages}` : `${pages} pages`
    const share = pages === 'transparent' ? `, ${Math.round(hugeShare * 100)}% on huge pages` : ''
    const base = pages === 'base' ? ` of ${formatSize(pageSize)}` : ''
    const on = `node ${nodes.join(', ')}`
    return [
      this.#line('region', `${kind}${base}${share}, ${on}`, this.#speed(size, milliseconds)),
      this.#line('', `${formatAddress(address)} to ${formatAddress(address + BigInt(size))}, populated`),
      ...passedOver.map(({ pages, reason }) => this.#line('', this.#dim(`not ${pages}: ${reason}`))),
    ].join('\n')
  }

  physical({ states, runs, pageTables, milliseconds }: PhysicalStep, isGuest: boolean): string {
    if (runs === null || pageTables === null) {
      const seen = Object.entries(states).filter(([, pages]) => pages > 0)
      const text = seen.map(([state, pages]) => `${formatCount(pages)} pages ${state}`).join(', ')
      const why = states.hidden > 0 ? ': the kernel shows physical addresses with CAP_SYS_ADMIN only' : ''
      return this.#line('translated', text + why, formatTime(milliseconds))
    }
    const whose = isGuest ? " (the guest's)" : ''
    const title = `${formatCount(states.present)} of ${formatCount(states.present)} pages present${whose}`
    const digits = Math.max(...runs.map(({ physicalAddress }) => formatAddress(physicalAddress).length))
    const list = runs.slice(0, mostRuns).map(({ offset, physicalAddress, length }) => {
      const at = `+${formatSize(offset)}`.padEnd(8)
      return `${at}  ${formatAddress(physicalAddress).padEnd(digits)}  ${formatSize(length)}`
    })
    const more =
      runs.length > mostRuns ? [this.#line('', this.#dim(`… ${formatCount(runs.length - mostRuns)} more`))] : []
    const [small, large] = pageTables
    const entries = pageTables.map(({ pageSize, entries }) => `${formatCount(entries)} at ${formatSize(pageSize)}`)
    const saved =
      small !== undefined && large !== undefined ? `: ${formatCount(small.entries / large.entries)} times fewer` : ''
    return [
      this.#line('translated', title, formatTime(milliseconds)),
      ...list.map((text, at) =>
        this.#line(at === 0 ? `${formatCount(runs.length)} ${runs.length === 1 ? 'run' : 'runs'}` : '', text),
      ),
      ...more,
      this.#line('page table', `${entries.join(', ')}${saved}`),
    ].join('\n')
  }

  bytes({ writeMilliseconds, readMilliseconds, differences }: BytesStep): string {
    const read = this.#differences(differences)
    return [
      this.#line('written', formatSize(demoSize), this.#speed(demoSize, writeMilliseconds)),
      this.#line('read', `${formatSize(demoSize)}, ${read}`, this.#speed(demoSize, readMilliseconds)),
    ].join('\n')
  }

  worker({ thread, handleBytes, differencesThere, differencesHere, milliseconds }: WorkerStep): string {
    const text = `thread ${thread} by a handle of ${handleBytes} bytes: read ours, ${this.#differences(differencesThere)}; wrote its own, ${this.#differences(differencesHere)}`
    return this.#line('worker', text, formatTime(milliseconds))
  }

  verification({ pages, moved, milliseconds }: VerificationStep, isKnown: boolean): string {
    const text = isKnown
      ? `${formatCount(pages - moved)} of ${formatCount(pages)} pages where they were`
      : 'nothing to compare: physical addresses are hidden'
    return this.#line('verified', moved > 0 ? this.#paint(text, 'yellow') : text, formatTime(milliseconds))
  }

  close(milliseconds: number): string {
    return this.#line('closed', 'every page is back', formatTime(milliseconds))
  }

  left({ mappings, descriptors, hugepages, nothing }: DemoReport['left']): string {
    const were = (after: number, before: number) => `${formatCount(after)} (${formatCount(before)} before)`
    const pools = hugepages.map(
      ({ pageSize, before, after }) =>
        `${formatSize(pageSize)} pages ${were(after.total, before.total)}, free ${were(after.free, before.free)}`,
    )
    const counts = [
      `mappings ${were(mappings.after, mappings.before)}`,
      `descriptors ${were(descriptors.after, descriptors.before)}`,
      ...pools,
      ...descriptors.added.map((descriptor) => `open: ${descriptor}`),
    ]
    const verdict = nothing ? this.#paint('nothing', 'green') : this.#paint('not as before', 'red')
    return [this.#line('left', verdict), ...counts.map((text) => this.#line('', text))].join('\n')
  }

  more(advice: readonly Advice[]): string {
    return advice.map(({ gives, command }) => `for ${gives}:\n  ${this.#paint(command, 'bold')}`).join('\n')
  }

  #differences(count: number): string {
    return count === 0 ? '0 differ' : this.#paint(`${formatCount(count)} words differ`, 'red')
  }

  #speed(bytes: number, milliseconds: number): string {
    return `${formatTime(milliseconds)}  ${(bytes / 2 ** 30 / (milliseconds / 1000)).toFixed(1)} GiB/s`
  }

  #line(label: string, text: string, time = ''): string {
    return `${this.#paint(pad(label, labelWidth), 'cyan')}${pad(text, 62)}${time === '' ? '' : `  ${this.#dim(time)}`}`.trimEnd()
  }

  #dim(text: string): string {
    return this.#paint(text, 'dim')
  }
}

/** A time with three digits that mean something. */
function formatTime(milliseconds: number): string {
  const text = milliseconds < 1 ? `${(milliseconds * 1000).toFixed(0)} µs` : `${milliseconds.toPrecision(3)} ms`
  return text.padStart(8)
}
