import * as z from 'zod/mini'
import { checked, later, list, optionsObject } from '../options.js'
import { names } from './contract/enum-names.js'
import { asSlice, type RegistrationSlice, type WorkMemory, workMemory } from './registration-slice.js'

/** `enum ibv_advise_mr_advice` */
export const advices = names({ prefetch: 0, prefetchWrite: 1, prefetchNoFault: 2 })
export type Advice = keyof typeof advices.byName

/** Memory to prefetch: an on-demand registration, or a part of one. */
export type AdvisedRange = WorkMemory

const adviceArgument = later(() => z.enum(advices.all, { error: `expected one of ${advices.all.join(', ')}` }))
const ranges = later(() =>
  list(workMemory, {
    least: 1,
    most: 2 ** 16,
    expected: 'expected an array of registrations or their slices',
  }),
)
const adviseOptions = later(() => optionsObject({ flush: z.optional(z.boolean()) }))

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function understoodAdvice(
  advice: Advice,
  advised: readonly AdvisedRange[],
  options: { readonly flush?: boolean | undefined },
): { readonly number: number; readonly flush: boolean; readonly entries: readonly RegistrationSlice[] } {
  const number = advices.byName[checked('advise: advice', adviceArgument, advice)]
  const { flush = false } = checked('advise', adviseOptions, options)
  const entries = checked('advise: ranges', ranges, advised).map(asSlice)
  return { number, flush, entries }
}
