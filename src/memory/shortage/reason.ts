import type { ErrorCode } from '../../errors.js'

/** Why there is too little memory: the parts of the error. */
export interface Shortage {
  readonly code: ErrorCode
  readonly message: string
  readonly values: Readonly<Record<string, unknown>>
  readonly hint?: string | undefined
}
