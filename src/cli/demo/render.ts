import { formatAddress } from '../../addresses.js'
import { formatSize, GiB } from '../../sizes.js'
import { formatCount, formatCounted, type Paint, pad } from '../output.js'
import {
  type Advice,
  type BytesStep,
  type DemoReport,
  type DeviceStep,
  demoSize,
  type MachineStep,
  type PagesStep,
  type PhysicalStep,
  type RegionStep,
  type VerificationStep,
  type WorkerStep,
} from './report.js'

const labelWidth = 12
const textWidth = 56
/** The most runs that are listed. Further runs are only counted. */
const mostRuns = 4

/** The lines of each step. They are made step by step, so that each step is shown when it has been measured. */
export class DemoText {
  readonly #paint: Paint

  constructor(paint: Paint) {
    this.#paint = paint
  }

  machine({ pinfold, node, kernel, arch, virtual, basePageSize }: MachineStep): string {
    const where = virtual === null ? 'bare metal' : `virtual machine${virtual === 'unnamed' ? '' : ` (${virtual})`}`
    const machine = `Linux ${kernel} ${arch}, ${where}, base pages of ${formatSize(basePageSize)}, Node ${node}`
    return [
      this.#paint(`pinfold ${pinfold}: ${formatSize(demoSize)} that a device can use`, 'bold'),
      this.#dim(machine),
      '',
    ].join('\n')
  }

  pages({ pool, enough, borrowed, repaired, refusals }: PagesStep): string {
    const mended = repaired.map(({ pid, pages, pageSize }) =>
      this.#line('repaired', `took back ${formatPages(pages, pageSize)} that process ${pid} left when it was killed`),
    )
    if (pool === null) return [...mended, this.#line('hugepages', 'this kernel has no hugetlb pages')].join('\n')
    const counts = `${formatPages(pool.free, pool.pageSize)} ${pool.free === 1 ? 'was' : 'were'} free`
    const supply =
      borrowed > 0 ? `${formatCount(borrowed)} borrowed for this run` : `${demoSize / pool.pageSize} needed`
    const why = enough ? [] : refusals.map(({ reason }) => this.#line('', this.#dim(`not borrowed: ${reason}`)))
    return [...mended, this.#line('hugepages', `${counts}: ${supply}`), ...why].join('\n')
  }

  region(region: RegionStep): string {
    const { pages, pageSize, pageCount, address, size, nodes, hugeShare, passedOver, milliseconds } = region
    const share = pages === 'transparent' ? `, ${Math.round(hugeShare * 100)}% of it on huge pages` : ''
    const kind = pages === 'transparent' ? 'transparent pages' : `${formatPages(pageCount, pageSize)}`
    const range = `${formatAddress(address)} to ${formatAddress(address + BigInt(size))}`
    return [
      this.#line('region', `${kind}${share}, node ${nodes.join(', ')}`, this.#speed(size, milliseconds)),
      this.#line('', range),
      ...passedOver.map(({ pages, reason }) => this.#line('', this.#dim(`not ${pages}: ${reason}`))),
    ].join('\n')
  }

  physical({ states, runs, pageTables, milliseconds }: PhysicalStep, isGuest: boolean): string {
    if (runs === null || pageTables === null) {
      const seen = Object.entries(states).filter(([, pages]) => pages > 0)
      const text = seen.map(([state, pages]) => `${formatCounted(pages, 'page')} ${state}`).join(', ')
      const why = states.hidden > 0 ? ': physical addresses need CAP_SYS_ADMIN' : ''
      return this.#line('translated', text + why, formatTime(milliseconds))
    }
    const digits = Math.max(...runs.map(({ physicalAddress }) => formatAddress(physicalAddress).length))
    const list = runs.slice(0, mostRuns).map(({ offset, physicalAddress, length }) => {
      const at = `+${offset === 0 ? '0' : formatSize(offset)}`
      return this.#line('', `${pad(at, 7)}  ${pad(formatAddress(physicalAddress), digits)}  ${formatSize(length)}`)
    })
    if (runs.length > mostRuns) list.push(this.#line('', this.#dim(`and ${formatCount(runs.length - mostRuns)} more`)))
    const contiguous = `${formatCount(runs.length)} physical ${runs.length === 1 ? 'run' : 'runs'}`
    const [small, large] = pageTables
    const entries = pageTables.map(({ pageSize, entries }) => `${formatCount(entries)} at ${formatSize(pageSize)}`)
    const saved = small && large ? `: ${formatCount(small.entries / large.entries)} times fewer entries` : ' entries'
    return [
      this.#line('translated', `${contiguous}${isGuest ? ", the guest's addresses" : ''}`, formatTime(milliseconds)),
      ...list,
      this.#line('page table', `${entries.join(', ')}${saved}`),
    ].join('\n')
  }

  bytes({ writeMilliseconds, readMilliseconds, differences }: BytesStep): string {
    const read = `${formatSize(demoSize)}, ${this.#differences(differences)}`
    return [
      this.#line('written', formatSize(demoSize), this.#speed(demoSize, writeMilliseconds)),
      this.#line('read', read, this.#speed(demoSize, readMilliseconds)),
    ].join('\n')
  }

  worker({ thread, handleBytes, differencesThere, differencesHere, milliseconds }: WorkerStep): string {
    const there = this.#differences(differencesThere)
    const here = this.#differences(differencesHere)
    return [
      this.#line('worker', `thread ${thread}, by a handle of ${handleBytes} bytes`, formatTime(milliseconds)),
      this.#line('', `it read what we wrote, ${there}; we read its answer, ${here}`),
    ].join('\n')
  }

  device({ name, kind, passedOver, registration, write }: DeviceStep): string {
    const where = kind === 'loopback' ? `${name}, in this process` : name
    const requests = `${write.requests} RDMA writes from a second queue pair`
    return [
      this.#line(
        'registered',
        `${formatSize(registration.bytes)} with ${where}`,
        formatTime(registration.milliseconds),
      ),
      ...passedOver.map(({ device, reason }) => this.#line('', this.#dim(`not ${device}: ${reason}`))),
      this.#line(
        'by device',
        `${requests}, ${this.#differences(write.differences)}`,
        this.#speed(write.bytes, write.milliseconds),
      ),
    ].join('\n')
  }

  verification({ pages, moved, milliseconds }: VerificationStep, isKnown: boolean): string {
    const text = isKnown
      ? `${formatCount(pages - moved)} of ${formatCount(pages)} pages are where they were`
      : 'nothing to compare: physical addresses are hidden'
    return this.#line('verified', moved > 0 ? this.#paint(text, 'yellow') : text, formatTime(milliseconds))
  }

  left(left: DemoReport['left'], closeMilliseconds: number): string {
    const { mappings, descriptors, hugepages, others, poolsAsBefore, nothing } = left
    const pools = hugepages
      .filter(({ before, after }) => before.total + after.total > 0)
      .map(({ pageSize, before, after }) => ({
        what: `free ${formatSize(pageSize)} pages`,
        before: before.free,
        after: after.free,
        note: ` of ${before.total === after.total ? '' : `${formatCount(before.total)} → `}${formatCount(after.total)}`,
      }))
    const counts = [
      { what: 'mappings', ...mappings, note: '' },
      { what: 'descriptors', ...descriptors, note: '' },
      ...pools,
    ]
    const whatWidth = Math.max(...counts.map(({ what }) => what.length))
    const countWidth = Math.max(...counts.map(({ before }) => formatCount(before).length))
    const lines = counts.map(
      ({ what, before, after, note }) =>
        `${pad(what, whatWidth)}  ${pad(formatCount(before), countWidth, 'right')} → ${formatCount(after)}${note}`,
    )
    const strangers = poolsAsBefore ? '' : `; process ${others.join(', ')} may have changed the hugepage pools`
    const verdict = nothing
      ? this.#paint(`closed, nothing of ours is left${strangers}`, 'green')
      : this.#paint('closed, but not everything is as before', 'red')
    const added = nothing ? [] : descriptors.added.map((descriptor) => `open: ${descriptor}`)
    return [
      this.#line('left', verdict, formatTime(closeMilliseconds)),
      ...[...lines, ...added].map((text) => this.#line('', text)),
    ].join('\n')
  }

  more(advice: readonly Advice[]): string {
    return advice.map(({ gives, command }) => `\nfor ${gives}:\n  ${this.#paint(command, 'bold')}`).join('')
  }

  #differences(count: number): string {
    return count === 0 ? '0 differ' : this.#paint(`${formatCounted(count, 'word')} differ`, 'red')
  }

  #speed(bytes: number, milliseconds: number): string {
    const rate = (bytes / GiB / (milliseconds / 1000)).toFixed(1)
    return `${formatTime(milliseconds)}${pad(rate, 6, 'right')} GiB/s`
  }

  #line(label: string, text: string, time = ''): string {
    const line = `${this.#paint(pad(label, labelWidth), 'cyan')}${pad(text, textWidth)}`
    return time === '' ? line.trimEnd() : `${line}${this.#dim(time)}`
  }

  #dim(text: string): string {
    return this.#paint(text, 'dim')
  }
}

/** '32 pages of 2MiB' */
function formatPages(count: number, pageSize: number): string {
  return `${formatCounted(count, 'page')} of ${formatSize(pageSize)}`
}

/** A time with three significant digits, ten columns wide. */
function formatTime(milliseconds: number): string {
  if (milliseconds < 1) return pad(`${Math.round(milliseconds * 1000)} µs`, 10, 'right')
  const text = milliseconds < 999.5 ? `${milliseconds.toPrecision(3)} ms` : `${(milliseconds / 1000).toFixed(2)} s`
  return pad(text, 10, 'right')
}
