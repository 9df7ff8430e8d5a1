import type { Distribution } from './measure.js'
import type { Row, Target } from './row.js'

/** What a file of bench/workloads exports as `suite`. The file's name is the suite's. */
export interface Suite {
  /** One line for `--list`. */
  readonly about: string
  /** 2 MiB pages that must be free while it runs; they are borrowed when the pool has fewer. */
  readonly hugepages: number
  /** Whether it and its peers take turns on one processor, so that no ratio compares two that differ. */
  readonly oneProcessor: boolean
  /** Parts that run in a process each, so that V8 knows nothing of the others: what it learns of two pools slows both. */
  readonly parts?: readonly string[]
  /** @param part one of `parts`, if there are any */
  run(report: Report, part: string): Promise<void>
}

/** A figure in seconds or bytes a round, as measured, with the factor to the unit that people read. */
export interface Figure {
  readonly name: string
  readonly unit: string
  /** What 1 second (or byte) is in that unit. */
  readonly scale: number
  readonly value: Distribution
  /** Without a ratio where ours is itself one. */
  readonly peer?: { readonly name: string; readonly value: Distribution; readonly ratio?: Distribution }
  readonly target?: Target
  readonly note?: string
}

/** Where a suite's rows go. */
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

  /** Rows that belong together. When they cannot be measured, one row says so and why, and the suite goes on. */
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
