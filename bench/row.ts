import { z } from 'zod'

const figure = z.number().nullable()
/** 10th and 90th percentile of the samples: eight of ten lie between. */
const spread = z.tuple([z.number(), z.number()]).nullable()

/** One line of the table, and one element of `rows` in the JSON file. What could not be measured is null. */
export const rowSchema = z.strictObject({
  suite: z.string(),
  name: z.string(),
  /** Median of ours, in `unit`. */
  value: figure,
  unit: z.string(),
  spread,
  /** What did the same work beside ours in this run. */
  peer: z.string().nullable(),
  /** Median of the peer's, in the same unit. */
  peerValue: figure,
  /** Ours over the peer's, pair by pair; the median of those. */
  ratio: figure,
  ratioSpread: spread,
  /** What must be reached, in words; null for a row that only informs. */
  target: z.string().nullable(),
  met: z.boolean().nullable(),
  /** What to know about the figure; the reason, where it was not measured. */
  note: z.string().optional(),
})
export type Row = z.infer<typeof rowSchema>

/** A bound that a row must keep, and how the table says it. */
export interface Target {
  readonly text: string
  isMet(value: number, ratio: number | null): boolean
}

export function valueAtMost(limit: number, unit: string): Target {
  return { text: `<= ${limit} ${unit}`, isMet: (value) => value <= limit }
}

export function valueAtLeast(limit: number, unit: string): Target {
  return { text: `>= ${limit} ${unit}`, isMet: (value) => value >= limit }
}

export function ratioAtMost(limit: number): Target {
  return { text: `<= ${limit} x`, isMet: (_, ratio) => ratio !== null && ratio <= limit }
}

/** At least so many times the peer's rate, which is as much less of its time. */
export function rateAtLeast(share: number): Target {
  return { text: `>= ${share} x its rate`, isMet: (_, ratio) => ratio !== null && 1 / ratio >= share }
}

export function both(one: Target, other: Target): Target {
  return {
    text: `${one.text}, ${other.text}`,
    isMet: (value, ratio) => one.isMet(value, ratio) && other.isMet(value, ratio),
  }
}
