import type { Case } from './case.js'
import { atomics } from './cases/atomics.js'
import { localAccess } from './cases/local-access.js'
import { messages } from './cases/messages.js'
import { writesAndReads } from './cases/one-sided.js'
import { queues } from './cases/queues.js'
import { remoteAccess } from './cases/remote-access.js'

/** What every device must do, and how it must fail, in the order of the report. */
export const suite: readonly Case[] = [
  ...messages,
  ...writesAndReads,
  ...atomics,
  ...remoteAccess,
  ...localAccess,
  ...queues,
]
