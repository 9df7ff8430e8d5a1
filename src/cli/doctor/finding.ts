/**
 * What a finding says. `ok`: as it should be. `info`: a fact that pleases one program and not another. `warn`: pinfold
 * works, with less. `fail`: a part of pinfold cannot work. `unknown`: could not be seen from here.
 */
export type FindingStatus = 'ok' | 'info' | 'warn' | 'fail' | 'unknown'

/** One thing that doctor looked at. */
export interface Finding {
  /** Stable: `group.check`, with the page size or node after it where there are several. */
  readonly id: string
  readonly status: FindingStatus
  /** What was seen, on one line. */
  readonly seen: string
  /** The exact command that mends it, where a command does. */
  readonly mend?: string
  /** The same as numbers and names, for programs. Bytes and counts are numbers; null is 'no limit'. */
  readonly values?: Readonly<Record<string, unknown>>
}

/** Looks at one group of things. What it found before it threw still counts. */
export type Examination = () => Iterable<Finding>

/** A finding's parts, with `mend` and `values` left out where there are none. */
export function finding(
  id: string,
  status: FindingStatus,
  seen: string,
  { mend, values }: { readonly mend?: string | undefined; readonly values?: Finding['values'] | undefined } = {},
): Finding {
  return { id, status, seen, ...(mend === undefined ? {} : { mend }), ...(values === undefined ? {} : { values }) }
}

/** A limit or size that may be Infinity, which JSON does not know: null is 'no limit'. */
export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
