// A FunctionTable is the only way to libibverbs. Every call goes through it, also the inline functions of the header.
//
// library.h makes the table of the real library, no_op_device.h makes one without any device, and fault_injection.h
// wraps either of them. All tables keep one convention. A function that makes an object returns it, or null with errno
// set. Every other function, except getDeviceGuid, returns 0 or an error number. A function that the library lacks is
// empty.
//
// A table never changes once it is made. Any thread may call it, as with libibverbs.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace pinfold::verbs {

// A completion of either kind of queue. The timestamp is 0 if there is none.
struct Completion {
  ibv_wc work;
  std::uint64_t timestamp;
};

struct FunctionTable {
  std::function<ibv_device**(int* count)> getDeviceList;
  std::function<int(ibv_device** list)> freeDeviceList;
  std::function<std::uint64_t(ibv_device*)> getDeviceGuid;  // network order
  std::function<ibv_context*(ibv_device*)> openDevice;
  std::function<int(ibv_context*)> closeDevice;

  std::function<int(ibv_context*, ibv_device_attr_ex*)> queryDevice;
  std::function<int(ibv_context*, std::uint8_t port, ibv_port_attr*)> queryPort;
  std::function<int(ibv_context*, std::span<ibv_gid_entry>, std::size_t* count)> queryGidTable;
  std::function<int(ibv_context*, std::uint8_t port, int index, ibv_gid*)> queryGid;
  std::function<int(ibv_context*, std::uint8_t port, int index, std::uint16_t* key)> queryPkey;  // host order
  std::function<int(int* status)> isForkInitialized;
  std::function<int(ibv_context*, ibv_async_event*)> getAsyncEvent;
  std::function<int(ibv_async_event*)> ackAsyncEvent;

  std::function<ibv_pd*(ibv_context*)> allocPd;
  std::function<int(ibv_pd*)> deallocPd;

  std::function<ibv_mr*(ibv_pd*, void*, std::size_t, int access)> regMr;
  std::function<ibv_mr*(ibv_pd*, void*, std::size_t, std::uint64_t iova, unsigned access)> regMrIova2;
  std::function<int(ibv_mr*, int flags, ibv_pd*, void*, std::size_t, int access)> reregMr;  // IBV_REREG_MR_ERR_, or 0
  std::function<ibv_mr*(ibv_pd*)> allocNullMr;
  std::function<ibv_mr*(ibv_pd*, std::uint64_t offset, std::size_t, std::uint64_t iova, int fd, int access)>
      regDmabufMr;
  std::function<int(ibv_mr*)> deregMr;
  std::function<int(ibv_pd*, ibv_advise_mr_advice, std::uint32_t flags, std::span<ibv_sge>)> adviseMr;

  std::function<ibv_dm*(ibv_context*, ibv_alloc_dm_attr*)> allocDm;
  std::function<int(ibv_dm*)> freeDm;
  std::function<int(ibv_dm*, std::uint64_t offset, const void*, std::size_t)> memcpyToDm;
  std::function<int(void*, ibv_dm*, std::uint64_t offset, std::size_t)> memcpyFromDm;
  std::function<ibv_mr*(ibv_pd*, ibv_dm*, std::uint64_t offset, std::size_t, unsigned access)> regDmMr;

  std::function<ibv_mw*(ibv_pd*, ibv_mw_type)> allocMw;
  std::function<int(ibv_qp*, ibv_mw*, ibv_mw_bind*)> bindMw;
  std::function<int(ibv_mw*)> deallocMw;

  std::function<ibv_comp_channel*(ibv_context*)> createCompChannel;
  std::function<int(ibv_comp_channel*)> destroyCompChannel;
  std::function<ibv_cq*(ibv_context*, int entries, void* context, ibv_comp_channel*, int vector)> createCq;
  std::function<ibv_cq_ex*(ibv_context*, ibv_cq_init_attr_ex*)> createCqEx;
  std::function<int(ibv_cq*, int entries)> resizeCq;
  std::function<int(ibv_cq*, ibv_modify_cq_attr*)> modifyCq;
  std::function<int(ibv_cq*, int solicitedOnly)> reqNotifyCq;
  std::function<int(ibv_comp_channel*, ibv_cq**, void** context)> getCqEvent;
  std::function<int(ibv_cq*, unsigned count)> ackCqEvents;
  std::function<int(ibv_cq*, std::span<Completion>, std::size_t* count)> pollCq;
  std::function<int(ibv_cq_ex*, bool timestamps, std::span<Completion>, std::size_t* count)> pollCqEx;
  std::function<int(ibv_cq*)> destroyCq;

  std::function<ibv_srq*(ibv_pd*, ibv_srq_init_attr*)> createSrq;
  std::function<int(ibv_srq*, ibv_srq_attr*, int mask)> modifySrq;
  std::function<int(ibv_srq*, ibv_srq_attr*)> querySrq;
  std::function<int(ibv_srq*, ibv_recv_wr*, ibv_recv_wr** bad)> postSrqRecv;
  std::function<int(ibv_srq*)> destroySrq;

  std::function<ibv_qp*(ibv_pd*, ibv_qp_init_attr*)> createQp;
  std::function<int(ibv_qp*, ibv_qp_attr*, int mask)> modifyQp;
  std::function<int(ibv_qp*, ibv_qp_attr*, int mask, ibv_qp_init_attr*)> queryQp;
  std::function<int(ibv_qp*, ibv_send_wr*, ibv_send_wr** bad)> postSend;
  std::function<int(ibv_qp*, ibv_recv_wr*, ibv_recv_wr** bad)> postRecv;
  std::function<int(ibv_qp*)> destroyQp;
  std::function<int(ibv_qp*, const ibv_gid*, std::uint16_t lid)> attachMcast;
  std::function<int(ibv_qp*, const ibv_gid*, std::uint16_t lid)> detachMcast;

  std::function<ibv_ah*(ibv_pd*, ibv_ah_attr*)> createAh;
  std::function<int(ibv_ah*)> destroyAh;
};

using Functions = std::shared_ptr<const FunctionTable>;

// Calls visit(name, member) for each function, with its name in libibverbs.
template <typename Visit>
void forEachFunction(const Visit& visit) {
  using T = FunctionTable;
  visit("ibv_get_device_list", &T::getDeviceList);
  visit("ibv_free_device_list", &T::freeDeviceList);
  visit("ibv_get_device_guid", &T::getDeviceGuid);
  visit("ibv_open_device", &T::openDevice);
  visit("ibv_close_device", &T::closeDevice);
  visit("ibv_query_device_ex", &T::queryDevice);
  visit("ibv_query_port", &T::queryPort);
  visit("ibv_query_gid_table", &T::queryGidTable);
  visit("ibv_query_gid", &T::queryGid);
  visit("ibv_query_pkey", &T::queryPkey);
  visit("ibv_is_fork_initialized", &T::isForkInitialized);
  visit("ibv_get_async_event", &T::getAsyncEvent);
  visit("ibv_ack_async_event", &T::ackAsyncEvent);
  visit("ibv_alloc_pd", &T::allocPd);
  visit("ibv_dealloc_pd", &T::deallocPd);
  visit("ibv_reg_mr", &T::regMr);
  visit("ibv_reg_mr_iova2", &T::regMrIova2);
  visit("ibv_rereg_mr", &T::reregMr);
  visit("ibv_alloc_null_mr", &T::allocNullMr);
  visit("ibv_reg_dmabuf_mr", &T::regDmabufMr);
  visit("ibv_dereg_mr", &T::deregMr);
  visit("ibv_advise_mr", &T::adviseMr);
  visit("ibv_alloc_dm", &T::allocDm);
  visit("ibv_free_dm", &T::freeDm);
  visit("ibv_memcpy_to_dm", &T::memcpyToDm);
  visit("ibv_memcpy_from_dm", &T::memcpyFromDm);
  visit("ibv_reg_dm_mr", &T::regDmMr);
  visit("ibv_alloc_mw", &T::allocMw);
  visit("ibv_bind_mw", &T::bindMw);
  visit("ibv_dealloc_mw", &T::deallocMw);
  visit("ibv_create_comp_channel", &T::createCompChannel);
  visit("ibv_destroy_comp_channel", &T::destroyCompChannel);
  visit("ibv_create_cq", &T::createCq);
  visit("ibv_create_cq_ex", &T::createCqEx);
  visit("ibv_resize_cq", &T::resizeCq);
  visit("ibv_modify_cq", &T::modifyCq);
  visit("ibv_req_notify_cq", &T::reqNotifyCq);
  visit("ibv_get_cq_event", &T::getCqEvent);
  visit("ibv_ack_cq_events", &T::ackCqEvents);
  visit("ibv_poll_cq", &T::pollCq);
  visit("ibv_start_poll", &T::pollCqEx);
  visit("ibv_destroy_cq", &T::destroyCq);
  visit("ibv_create_srq", &T::createSrq);
  visit("ibv_modify_srq", &T::modifySrq);
  visit("ibv_query_srq", &T::querySrq);
  visit("ibv_post_srq_recv", &T::postSrqRecv);
  visit("ibv_destroy_srq", &T::destroySrq);
  visit("ibv_create_qp", &T::createQp);
  visit("ibv_modify_qp", &T::modifyQp);
  visit("ibv_query_qp", &T::queryQp);
  visit("ibv_post_send", &T::postSend);
  visit("ibv_post_recv", &T::postRecv);
  visit("ibv_destroy_qp", &T::destroyQp);
  visit("ibv_attach_mcast", &T::attachMcast);
  visit("ibv_detach_mcast", &T::detachMcast);
  visit("ibv_create_ah", &T::createAh);
  visit("ibv_destroy_ah", &T::destroyAh);
}

}  // namespace pinfold::verbs
