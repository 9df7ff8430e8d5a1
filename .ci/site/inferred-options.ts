// A test case of .ci/suites/docs.ts: options whose type is inferred from their schema. A reader of the site would see zod's
// types in place of the options.
import * as z from 'zod'

const options = z.object({ size: z.number() })

export type InferredOptions = z.input<typeof options>
