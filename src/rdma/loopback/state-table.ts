import type { QueuePairChange } from '../contract/device-calls.js'
import { queuePairStates, queuePairTypes } from '../contract/states.js'

type Attribute = Exclude<keyof QueuePairChange, 'state'>

interface Transition {
  readonly required: readonly Attribute[]
  readonly optional: readonly Attribute[]
}

const none: Transition = { required: [], optional: [] }
const { RC, UC, UD } = queuePairTypes.byName

function transition(required: readonly Attribute[], optional: readonly Attribute[] = []): Transition {
  return { required, optional }
}

/** A transition for each type of queue pair. */
function byType(rc: Transition, uc: Transition, ud: Transition): ReadonlyMap<number, Transition> {
  return new Map([
    [RC, rc],
    [UC, uc],
    [UD, ud],
  ])
}

const same = (of: Transition) => byType(of, of, of)
const connected = ['partitionKeyIndex', 'port', 'access'] as const
const toReady = ['path', 'mtu', 'remoteQueuePair', 'receivePsn'] as const
const fromReady = transition(['sendPsn'], ['currentState', 'access'])
const sending = (rc: readonly Attribute[]) =>
  byType(
    transition([], ['currentState', 'access', ...rc]),
    transition([], ['currentState', 'access']),
    transition([], ['currentState', 'queueKey']),
  )

/**
 * The attributes that each change of state needs, and those that it allows in addition: the tables of ibv_modify_qp(3)
 * and of InfiniBand Architecture Specification 1, 11.2.5.2. Every state may change to RESET and to ERR without other
 * attributes, but Linux does not allow RESET to ERR.
 */
const table: Readonly<Record<string, ReadonlyMap<number, Transition>>> = {
  'RESET INIT': byType(
    transition(connected),
    transition(connected),
    transition(['partitionKeyIndex', 'port', 'queueKey']),
  ),
  'INIT INIT': byType(
    transition([], connected),
    transition([], connected),
    transition([], ['partitionKeyIndex', 'port', 'queueKey']),
  ),
  'INIT RTR': byType(
    transition([...toReady, 'maxReadsServed', 'minRnrTimer'], ['access', 'partitionKeyIndex']),
    transition(toReady, ['access', 'partitionKeyIndex']),
    transition([], ['partitionKeyIndex', 'queueKey']),
  ),
  'RTR RTS': byType(
    transition(
      ['timeout', 'retryCount', 'rnrRetry', 'sendPsn', 'maxReadsStarted'],
      ['currentState', 'access', 'minRnrTimer'],
    ),
    fromReady,
    transition(['sendPsn'], ['currentState', 'queueKey']),
  ),
  'RTS RTS': sending(['minRnrTimer']),
  'RTS SQD': same(transition([], ['drainNotify'])),
  'SQD RTS': sending(['minRnrTimer']),
  'SQD SQD': byType(
    transition(
      [],
      [
        'port',
        'path',
        'timeout',
        'retryCount',
        'rnrRetry',
        'maxReadsStarted',
        'maxReadsServed',
        'access',
        'partitionKeyIndex',
        'minRnrTimer',
      ],
    ),
    transition([], ['path', 'access', 'partitionKeyIndex']),
    transition([], ['partitionKeyIndex', 'queueKey']),
  ),
  'SQE RTS': byType(
    none, // a reliable connection is never in SQE
    transition([], ['currentState', 'access']),
    transition([], ['currentState', 'queueKey']),
  ),
}

/** Why a change is not allowed; undefined if it is allowed. */
export function whyNotChange(type: number, from: number, change: QueuePairChange): string | undefined {
  const names = queuePairStates
  const to = change.state ?? from
  const found =
    to === names.byName.RESET || (to === names.byName.ERR && from !== names.byName.RESET)
      ? none
      : table[`${names.nameOf(from)} ${names.nameOf(to)}`]?.get(type)
  const way = `${names.nameOf(from)} to ${names.nameOf(to)}`
  if (found === undefined) return `a queue pair of this type cannot change from ${way}`
  const given = new Set(Object.keys(change).filter((name) => name !== 'state'))
  const missing = found.required.find((name) => !given.has(name))
  if (missing !== undefined) return `the change from ${way} needs '${missing}'`
  const allowed = new Set<string>([...found.required, ...found.optional])
  const extra = [...given].find((name) => !allowed.has(name))
  return extra === undefined ? undefined : `the change from ${way} does not allow '${extra}'`
}
