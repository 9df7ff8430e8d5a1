import type { Distribution } from './measure.js'
import type { Row, Target } from './row.js'

/** A suite of benchmarks: the export `suite` of a file of bench/workloads. The file's name is the suite's name. */
export interface Suite {
  /** One line for `--list`. */
  readonly about: string
  /** How many 2 MiB pages the suite and its peers need at the same time. bench/main.ts borrows them. */
  readonly hugepages: number
  /**
   * Whether the suite and its peers take turns on one processor, so that no ratio compares two processors; or the parts
   * of which this holds.
   */
  readonly oneProcessor: boolean | readonly string[]
  /** Parts that run in a process each: with two buffer pools in one process, V8's type feedback would slow both. */
  readonly parts?: readonly string[]
  /** @param part one of `parts`, if there are any */
  run(report: Report, part: string): Promise<void>
}

/** A figure as it was measured, in seconds or bytes a round, with the factor to the unit that the table shows. */
export interface Figure {
  readonly name: string
  readonly unit: string
  /** 1 second (or byte) in that unit. */
  readonly scale: number
  readonly value: Distribution
  /** There is no ratio if the row is not compared with the peer. */
  readonly peer?: { readonly name: string; readonly value: Distribution; readonly ratio?: Distribution }
  readonly target?: Target
  readonly note?: string
}

/** Turns the figures of a suite into rows, and sends these on. */
export class Report {
  readonly #suite: string
  readonly #send: (row: Row) => void

  constructor(suite: string, send: (row: Row) => void) {
    this.#suite = suite
    this.#send = send
  }

  add({ name, unit, scale, value, peer, target, note }: Figure): void {
    const median = value.median * scale
    const ratio = peer?.ratio?.median ?? null
    this.#send({
      suite: this.#suite,
      name,
      value: median,
      unit,
      spread: [value.low * scale, value.high * scale],
      peer: peer?.name ?? null,
      peerValue: peer === undefined ? null : peer.value.median * scale,
      ratio,
      ratioSpread: peer?.ratio === undefined ? null : [peer.ratio.low, peer.ratio.high],
      target: target?.text ?? null,
      met: target?.isMet(median, ratio) ?? null,
      ...(note === undefined ? {} : { note }),
    })
  }

  /** Measures rows that belong together. If this fails, one row says why, and the suite goes on. */
  async section(name: string, measure: () => Promise<void>): Promise<void> {
    try {
      await measure()
    } catch (error) {
      const hint = error instanceof Error && 'hint' in error ? ` (${String(error.hint)})` : ''
      const reason = error instanceof Error ? error.message : String(error)
      this.#send({
        suite: this.#suite,
        name,
        value: null,
        unit: '',
        spread: null,
        peer: null,
        peerValue: null,
        ratio: null,
        ratioSpread: null,
        target: null,
        met: null,
        note: `not measured: ${reason}${hint}`,
      })
    }
  }
}
