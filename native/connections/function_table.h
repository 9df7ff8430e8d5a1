// The functions of librdmacm, as a table. Every call goes through it, as with libibverbs (verbs/function_table.h).
//
// Each function returns 0 or an error number. Only createEventChannel returns an object, or null with errno set. The
// table never changes once it is made, and any thread may call it.
#pragma once

#include <rdma/rdma_cma.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace pinfold::connections {

struct FunctionTable {
  std::function<rdma_event_channel*()> createEventChannel;
  std::function<int(rdma_event_channel*)> destroyEventChannel;
  std::function<int(rdma_event_channel*, rdma_cm_event**)> getEvent;
  std::function<int(rdma_cm_event*)> ackEvent;

  std::function<int(rdma_event_channel*, rdma_cm_id**, void* context, rdma_port_space)> createId;
  std::function<int(rdma_cm_id*)> destroyId;
  std::function<int(rdma_cm_id*, sockaddr*)> bindAddr;
  std::function<int(rdma_cm_id*, sockaddr* source, sockaddr* destination, int milliseconds)> resolveAddr;
  std::function<int(rdma_cm_id*, int milliseconds)> resolveRoute;
  std::function<int(rdma_cm_id*, int backlog)> listen;
  std::function<int(rdma_cm_id*, rdma_conn_param*)> connect;
  std::function<int(rdma_cm_id*, rdma_conn_param*)> accept;
  std::function<int(rdma_cm_id*, std::span<const std::uint8_t>)> reject;
  std::function<int(rdma_cm_id*)> establish;
  std::function<int(rdma_cm_id*)> disconnect;
  std::function<int(rdma_cm_id*, ibv_qp_attr*, int* mask)> initQpAttr;
  std::function<int(rdma_cm_id*, int level, int option, void* value, std::size_t)> setOption;
  std::function<int(rdma_cm_id*, sockaddr*)> joinMulticast;
  std::function<int(rdma_cm_id*, sockaddr*)> leaveMulticast;
};

using Functions = std::shared_ptr<const FunctionTable>;

}  // namespace pinfold::connections
