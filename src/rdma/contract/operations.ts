import { names } from './enum-names.js'

/** `enum ibv_wr_opcode`: the operations of send requests. */
export const requestOpcodes = names({
  write: 0,
  writeWithImmediate: 1,
  send: 2,
  sendWithImmediate: 3,
  read: 4,
  compareAndSwap: 5,
  fetchAndAdd: 6,
  invalidate: 7,
  bind: 8,
  sendWithInvalidate: 9,
})

/** The operation of a send request. */
export type RequestOperation = keyof typeof requestOpcodes.byName

/** `enum ibv_send_flags` */
export const sendFlags = { fence: 1 << 0, signaled: 1 << 1, solicited: 1 << 2, inline: 1 << 3 } as const

/** `enum ibv_wc_opcode`: the operations of completions. A device does not set it for a request that failed. */
export const completionOpcodes = names({
  send: 0,
  write: 1,
  read: 2,
  compareAndSwap: 3,
  fetchAndAdd: 4,
  bind: 5,
  invalidate: 6,
  receive: 128,
  receiveWriteWithImmediate: 129,
})
export type CompletionOperation = keyof typeof completionOpcodes.byName | `${number}`

/** `enum ibv_wc_flags` */
export const completionFlags = { header: 1 << 0, immediate: 1 << 1, invalidated: 1 << 3 } as const
