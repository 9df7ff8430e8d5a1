import { names } from './enum-names.js'

/** `enum ibv_event_type`, without its IBV_EVENT_; the last came with rdma-core 60. */
export const eventTypes = names({
  CQ_ERR: 0,
  QP_FATAL: 1,
  QP_REQ_ERR: 2,
  QP_ACCESS_ERR: 3,
  COMM_EST: 4,
  SQ_DRAINED: 5,
  PATH_MIG: 6,
  PATH_MIG_ERR: 7,
  DEVICE_FATAL: 8,
  PORT_ACTIVE: 9,
  PORT_ERR: 10,
  LID_CHANGE: 11,
  PKEY_CHANGE: 12,
  SM_CHANGE: 13,
  SRQ_ERR: 14,
  SRQ_LIMIT_REACHED: 15,
  QP_LAST_WQE_REACHED: 16,
  CLIENT_REREGISTER: 17,
  GID_CHANGE: 18,
  WQ_FATAL: 19,
  DEVICE_SPEED_CHANGE: 20,
})

/** The type of an event. A number without a name in the headers stands for itself. */
export type EventType = keyof typeof eventTypes.byName | `${number}`

/** The kind of object that an event is about. */
export type EventSubject = 'device' | 'port' | 'completionQueue' | 'queuePair' | 'sharedReceiveQueue' | 'workQueue'

const subjects: Readonly<Record<keyof typeof eventTypes.byName, EventSubject>> = {
  CQ_ERR: 'completionQueue',
  QP_FATAL: 'queuePair',
  QP_REQ_ERR: 'queuePair',
  QP_ACCESS_ERR: 'queuePair',
  COMM_EST: 'queuePair',
  SQ_DRAINED: 'queuePair',
  PATH_MIG: 'queuePair',
  PATH_MIG_ERR: 'queuePair',
  DEVICE_FATAL: 'device',
  PORT_ACTIVE: 'port',
  PORT_ERR: 'port',
  LID_CHANGE: 'port',
  PKEY_CHANGE: 'port',
  SM_CHANGE: 'port',
  SRQ_ERR: 'sharedReceiveQueue',
  SRQ_LIMIT_REACHED: 'sharedReceiveQueue',
  QP_LAST_WQE_REACHED: 'queuePair',
  CLIENT_REREGISTER: 'port',
  GID_CHANGE: 'port',
  WQ_FATAL: 'workQueue',
  DEVICE_SPEED_CHANGE: 'port',
}

/** The kind of object that events of a type are about (ibv_get_async_event(3)); the device for an unknown type. */
export function subjectOf(type: number): EventSubject {
  const name = eventTypes.nameOf(type)
  return isKnown(name) ? subjects[name] : 'device'
}

function isKnown(name: string): name is keyof typeof eventTypes.byName {
  return Object.hasOwn(subjects, name)
}
