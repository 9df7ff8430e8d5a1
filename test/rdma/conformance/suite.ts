import type { Case } from './case.js'
import { addresses } from './cases/addresses.js'
import { atomics } from './cases/atomics.js'
import { closing } from './cases/closing.js'
import { completions } from './cases/completions.js'
import { connections } from './cases/connections.js'
import { datagrams } from './cases/datagrams.js'
import { deviceItself } from './cases/device.js'
import { events } from './cases/events.js'
import { localAccess } from './cases/local-access.js'
import { kindsOfMemory } from './cases/memory-kinds.js'
import { messages } from './cases/messages.js'
import { writesAndReads } from './cases/one-sided.js'
import { queues } from './cases/queues.js'
import { registrations } from './cases/registrations.js'
import { remoteAccess } from './cases/remote-access.js'
import { sharedReceives } from './cases/shared-receives.js'
import { queuePairStates } from './cases/states.js'
import { bursts, trackedRequests } from './cases/tracked-requests.js'
import { unreliable } from './cases/unreliable.js'
import { invalidation } from './cases/window-invalidation.js'
import { windows } from './cases/windows.js'

/** All cases, in the order of the report. */
export const suite: readonly Case[] = [
  ...deviceItself,
  ...connections,
  ...addresses,
  ...registrations,
  ...messages,
  ...writesAndReads,
  ...atomics,
  ...kindsOfMemory,
  ...windows,
  ...invalidation,
  ...remoteAccess,
  ...localAccess,
  ...queues,
  ...sharedReceives,
  ...completions,
  ...trackedRequests,
  ...bursts,
  ...unreliable,
  ...datagrams,
  ...queuePairStates,
  ...events,
  ...closing,
]
