import { z } from 'zod'

const figure = z.number().nullable()
/** 10th and 90th percentile of the samples: eight of ten samples lie between them. */
const spread = z.tuple([z.number(), z.number()]).nullable()

/** One line of the table, and one element of `rows` in the JSON file. A figure that could not be measured is null. */
export const rowSchema = z.strictObject({
  suite: z.string(),
  name: z.string(),
  /** Median of our samples, in `unit`. */
  value: figure,
  unit: z.string(),
  spread,
  /** The peer, which did the same work beside ours in this run. */
  peer: z.string().nullable(),
  /** Median of the peer's samples, in the same unit. */
  peerValue: figure,
  /** The median of the ratios of our samples to the peer's, pair by pair. */
  ratio: figure,
  ratioSpread: spread,
  /** The target in words; null for a row without a target. */
  target: z.string().nullable(),
  met: z.boolean().nullable(),
  /** A remark about the figure, or the reason why it was not measured. */
  note: z.string().optional(),
})
export type Row = z.infer<typeof rowSchema>

/**
 * A bound that a row must keep, and its text in the table. A time is seldom judged by itself, since another machine takes
 * another time: its target is a ratio to a peer of the same run. A number of bytes is the same on every machine.
 */
export interface Target {
  readonly text: string
  isMet(value: number, ratio: number | null): boolean
}

/**
 * For the few rows whose cost is that of instructions alone, a time. It was set on one machine (docs/benchmarks.md), so the
 * ratio beside it tells more on another.
 */
export function timeAtMost(limit: number, unit: string): Target {
  return { text: `<= ${limit} ${unit}`, isMet: (value) => value <= limit }
}

/** @param slack bytes that are allowed in addition, and that the text leaves out */
export function bytesAtMost(limit: number, slack = 0): Target {
  return { text: `<= ${limit} B`, isMet: (bytes) => bytes <= limit + slack }
}

export function ratioAtMost(limit: number): Target {
  return { text: `<= ${limit} x`, isMet: (_, ratio) => ratio !== null && ratio <= limit }
}

export function ratioAtLeast(limit: number): Target {
  return { text: `>= ${limit} x`, isMet: (_, ratio) => ratio !== null && ratio >= limit }
}

/** At least `share` times the peer's rate, so at most 1 / `share` of its time. */
export function rateAtLeast(share: number): Target {
  return { text: `>= ${share} x its rate`, isMet: (_, ratio) => ratio !== null && 1 / ratio >= share }
}
