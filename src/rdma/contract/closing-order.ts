/**
 * The kinds of objects of a device, in the order in which they are closed: the objects that stand on others come before
 * those others. A window is bound to a registration, and one of type 2 to a queue pair, so it goes before both: Soft-RoCE
 * waits most of a minute for the window when the queue pair is destroyed before it. The native part closes in the same
 * order (`enum class Kind` of native/verbs/object.h); a test compares the two.
 */
export const closingOrder = [
  'memory window',
  'queue pair',
  'shared receive queue',
  'address handle',
  'registration',
  'implicit registration',
  'device memory',
  'completion queue',
  'completion channel',
  'domain',
  'device',
] as const

/** The kind of an object of a device, as listings and messages name it. */
export type ObjectKind = (typeof closingOrder)[number]
