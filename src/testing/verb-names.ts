import type { DeviceCalls } from '../rdma/contract/device-calls.js'

/** The function of libibverbs behind each call of the contract that a device can refuse. */
export const verbNames = {
  query: 'ibv_query_device_ex',
  queryPort: 'ibv_query_port',
  queryGids: 'ibv_query_gid_table',
  queryPartitionKey: 'ibv_query_pkey',
  allocateDomain: 'ibv_alloc_pd',
  register: 'ibv_reg_mr',
  registerAsync: 'ibv_reg_mr',
  reregister: 'ibv_rereg_mr',
  registerImplicit: 'ibv_reg_mr',
  cover: 'ibv_reg_mr',
  registerNull: 'ibv_alloc_null_mr',
  registerDmabuf: 'ibv_reg_dmabuf_mr',
  advise: 'ibv_advise_mr',
  allocateDeviceMemory: 'ibv_alloc_dm',
  writeDeviceMemory: 'ibv_memcpy_to_dm',
  readDeviceMemory: 'ibv_memcpy_from_dm',
  registerDeviceMemory: 'ibv_reg_dm_mr',
  allocateWindow: 'ibv_alloc_mw',
  createChannel: 'ibv_create_comp_channel',
  createCompletionQueue: 'ibv_create_cq',
  resizeCompletionQueue: 'ibv_resize_cq',
  moderateCompletionQueue: 'ibv_modify_cq',
  requestNotification: 'ibv_req_notify_cq',
  poll: 'ibv_poll_cq',
  createSharedReceiveQueue: 'ibv_create_srq',
  modifySharedReceiveQueue: 'ibv_modify_srq',
  querySharedReceiveQueue: 'ibv_query_srq',
  postSharedReceive: 'ibv_post_srq_recv',
  createQueuePair: 'ibv_create_qp',
  modifyQueuePair: 'ibv_modify_qp',
  queryQueuePair: 'ibv_query_qp',
  postSend: 'ibv_post_send',
  postReceive: 'ibv_post_recv',
  attachMulticast: 'ibv_attach_mcast',
  detachMulticast: 'ibv_detach_mcast',
  createAddressHandle: 'ibv_create_ah',
} as const satisfies Partial<Record<keyof DeviceCalls, string>>

/** The same of calls that close an object, or the device: they also work on a device that is gone. */
export const closingVerbNames = {
  close: 'ibv_close_device',
  freeDomain: 'ibv_dealloc_pd',
  deregister: 'ibv_dereg_mr',
  freeDeviceMemory: 'ibv_free_dm',
  freeWindow: 'ibv_dealloc_mw',
  destroyChannel: 'ibv_destroy_comp_channel',
  destroyCompletionQueue: 'ibv_destroy_cq',
  destroySharedReceiveQueue: 'ibv_destroy_srq',
  destroyQueuePair: 'ibv_destroy_qp',
  destroyAddressHandle: 'ibv_destroy_ah',
} as const satisfies Partial<Record<keyof DeviceCalls, string>>

/** Functions of libibverbs that no call of an open device stands for. */
const others = [
  'ibv_ack_async_event',
  'ibv_ack_cq_events',
  'ibv_bind_mw',
  'ibv_create_cq_ex',
  'ibv_get_async_event',
  'ibv_get_cq_event',
  'ibv_get_device_list',
  'ibv_open_device',
  'ibv_query_gid',
  'ibv_start_poll',
] as const

/** A function of libibverbs that can be made to fail. A registration counts as `ibv_reg_mr`, whichever function makes it. */
export type VerbName =
  | (typeof verbNames)[keyof typeof verbNames]
  | (typeof closingVerbNames)[keyof typeof closingVerbNames]
  | (typeof others)[number]

/** All of them, each once. */
export const allVerbNames: readonly VerbName[] = [
  ...new Set([...Object.values(verbNames), ...Object.values(closingVerbNames), ...others]),
]
