/**
 * The status of a finding. `ok`: as it should be. `info`: a fact that matters for some programs and not for others.
 * `warn`: pinfold works, but a part of it is limited. `fail`: a part of pinfold cannot work. `unknown`: the check
 * cannot be made from here.
 */
export type FindingStatus = 'ok' | 'info' | 'warn' | 'fail' | 'unknown'

/** The result of one check of doctor. */
export interface Finding {
  /** A stable name: `group.check`, followed by the page size or the node if there are several. */
  readonly id: string
  readonly status: FindingStatus
  /** The text about what was seen, on one line. */
  readonly seen: string
  /** The exact command that repairs the problem, if there is one. */
  readonly mend?: string
  /** The same as values for programs. Sizes are bytes. null means that there is no limit, or no value. */
  readonly values?: Readonly<Record<string, unknown>>
}

/** Checks one group. If it throws, the findings before that still count. */
export type Examination = () => Iterable<Finding>

/** Makes a finding. `mend` and `values` are left out if they are undefined. */
export function finding(
  id: string,
  status: FindingStatus,
  seen: string,
  { mend, values }: { readonly mend?: string | undefined; readonly values?: Finding['values'] | undefined } = {},
): Finding {
  return { id, status, seen, ...(mend === undefined ? {} : { mend }), ...(values === undefined ? {} : { values }) }
}

/** A limit or size for JSON, which has no Infinity: null means that there is no limit. */
export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
