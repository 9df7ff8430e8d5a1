#include "verbs/no_op_device.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "verbs/no_op_objects.h"
#include "verbs/no_op_requests.h"

namespace pinfold::verbs {

using namespace no_op;

namespace {

void describe(ibv_device_attr_ex& attributes) {
  constexpr int kMany = 65536;
  attributes = {};
  ibv_device_attr& device = attributes.orig_attr;
  std::string_view("0.0.0").copy(device.fw_ver, sizeof device.fw_ver - 1);
  device.max_mr_size = UINT64_MAX;
  device.page_size_cap = 0xfffff000;
  device.device_cap_flags = IBV_DEVICE_MEM_WINDOW | IBV_DEVICE_MEM_WINDOW_TYPE_2B;
  device.max_qp = device.max_cq = device.max_mr = device.max_pd = device.max_mw = device.max_ah = device.max_srq =
      kMany;
  device.max_qp_wr = device.max_cqe = device.max_srq_wr = kMany;
  device.max_sge = device.max_sge_rd = device.max_srq_sge = 32;
  device.max_qp_rd_atom = device.max_qp_init_rd_atom = 16;
  device.atomic_cap = IBV_ATOMIC_HCA;
  device.max_mcast_grp = device.max_mcast_qp_attach = 16;
  device.max_pkeys = 1;
  device.phys_port_cnt = 1;
  attributes.device_cap_flags_ex = device.device_cap_flags;
  attributes.completion_timestamp_mask = UINT64_MAX;
  attributes.hca_core_clock = 1000000;
  attributes.max_dm_size = kMany;
  attributes.odp_caps.general_caps = IBV_ODP_SUPPORT | IBV_ODP_SUPPORT_IMPLICIT;
}

void describe(ibv_port_attr& port) {
  port = {};
  port.state = IBV_PORT_ACTIVE;
  port.max_mtu = port.active_mtu = IBV_MTU_4096;
  port.gid_tbl_len = 1;
  port.max_msg_sz = 1U << 31U;
  port.pkey_tbl_len = 1;
  port.active_width = 1;
  port.active_speed = 4;
  port.phys_state = 5;
  port.link_layer = IBV_LINK_LAYER_ETHERNET;
}

ibv_gid ownGid() {
  ibv_gid gid{};
  gid.raw[10] = gid.raw[11] = 0xff;  // ::ffff:127.0.0.1
  gid.raw[12] = 127;
  gid.raw[15] = 1;
  return gid;
}

Memory* registered(Domain* domain, Made* other, void* begin, std::size_t length) {
  auto* const made = opened(domain->context)->make<Memory>(domain, other);
  made->addr = begin;
  made->length = length;
  made->lkey = made->rkey = made->handle << 8U;
  return made;
}

}  // namespace

NoOpDevice::NoOpDevice() : world_(std::make_shared<World>()) {
  addDevice();
  addMemory();
  addQueues();
  addPairs();
}

NoOpDevice::~NoOpDevice() = default;

void NoOpDevice::happen(ibv_event_type type, int port) {
  const std::scoped_lock lock(world_->mutex);
  for (const auto& [context, own] : world_->contexts) {
    ibv_async_event event{};
    event.event_type = type;
    event.element.port_num = port;
    own->events.push_back(event);
    own->signal.raise();
  }
}

void NoOpDevice::addDevice() {
  table_.getDeviceList = [world = world_](int* count) {
    *count = 1;
    return static_cast<ibv_device**>(world->list);
  };
  table_.freeDeviceList = [](ibv_device**) { return 0; };
  table_.getDeviceGuid = [](ibv_device*) { return std::uint64_t{1} << 56U; };
  table_.openDevice = [world = world_](ibv_device* device) {
    const std::scoped_lock lock(world->mutex);
    auto context = std::make_unique<Opened>();
    context->device = device;
    context->num_comp_vectors = 1;
    ibv_context* const made = context.get();
    world->contexts.emplace(made, std::move(context));
    return made;
  };
  table_.closeDevice = [world = world_](ibv_context* context) {
    const std::scoped_lock lock(world->mutex);
    return world->contexts.erase(context) == 1 ? 0 : EINVAL;
  };
  table_.queryDevice = [](ibv_context*, ibv_device_attr_ex* attributes) { return describe(*attributes), 0; };
  table_.queryPort = [](ibv_context*, std::uint8_t port, ibv_port_attr* attributes) {
    return port == 1 ? (describe(*attributes), 0) : EINVAL;
  };
  table_.queryGidTable = [](ibv_context*, std::span<ibv_gid_entry> entries, std::size_t* count) {
    *count = 0;
    if (entries.empty()) return EINVAL;
    entries[(*count)++] = {ownGid(), 0, 1, IBV_GID_TYPE_ROCE_V2, 1};
    return 0;
  };
  table_.queryGid = [](ibv_context*, std::uint8_t port, int index, ibv_gid* gid) {
    *gid = ownGid();
    return port == 1 && index == 0 ? 0 : EINVAL;
  };
  table_.queryPkey = [](ibv_context*, std::uint8_t port, int index, std::uint16_t* key) {
    *key = UINT16_MAX;
    return port == 1 && index == 0 ? 0 : EINVAL;
  };
  table_.isForkInitialized = [](int* status) { return *status = IBV_FORK_UNNEEDED, 0; };
  table_.getAsyncEvent = [world = world_](ibv_context* context, ibv_async_event* event) {
    const std::scoped_lock lock(world->mutex);
    Opened& own = *opened(context);
    own.signal.lower();
    if (own.events.empty()) return EAGAIN;
    *event = own.events.front();
    own.events.pop_front();
    return 0;
  };
  table_.ackAsyncEvent = [](ibv_async_event*) { return 0; };
}

void NoOpDevice::addMemory() {
  const auto locked = [world = world_](auto function) { return underLock(world, function); };
  const auto destroy = [](auto* made, ibv_context* context) { return opened(context)->destroy(made); };
  table_.allocPd = locked([](ibv_context* context) -> ibv_pd* { return opened(context)->make<Domain>(); });
  table_.deallocPd =
      locked([destroy](ibv_pd* domain) { return destroy(static_cast<Domain*>(domain), domain->context); });
  table_.regMr = locked([](ibv_pd* domain, void* begin, std::size_t length, int) -> ibv_mr* {
    return registered(static_cast<Domain*>(domain), nullptr, begin, length);
  });
  table_.regMrIova2 = locked([](ibv_pd* domain, void* begin, std::size_t length, std::uint64_t, unsigned) -> ibv_mr* {
    return registered(static_cast<Domain*>(domain), nullptr, begin, length);
  });
  table_.reregMr = locked([](ibv_mr* memory, int, ibv_pd*, void* begin, std::size_t length, int) {
    if (begin != nullptr)
      *memory = {memory->context, memory->pd, begin, length, memory->handle, memory->lkey, memory->rkey};
    return 0;
  });
  table_.allocNullMr = locked(
      [](ibv_pd* domain) -> ibv_mr* { return registered(static_cast<Domain*>(domain), nullptr, nullptr, SIZE_MAX); });
  table_.regDmabufMr =
      locked([](ibv_pd* domain, std::uint64_t, std::size_t length, std::uint64_t, int, int) -> ibv_mr* {
        return registered(static_cast<Domain*>(domain), nullptr, nullptr, length);
      });
  table_.deregMr = locked([destroy](ibv_mr* memory) { return destroy(static_cast<Memory*>(memory), memory->context); });
  table_.adviseMr = [](ibv_pd*, ibv_advise_mr_advice, std::uint32_t, std::span<ibv_sge>) { return 0; };
  table_.allocDm = locked([](ibv_context* context, ibv_alloc_dm_attr* attributes) -> ibv_dm* {
    constexpr std::size_t kMost = 65536;
    if (attributes->length > kMost) return errno = ENOMEM, nullptr;
    return opened(context)->make<OnDevice>(attributes->length);
  });
  table_.freeDm =
      locked([destroy](ibv_dm* memory) { return destroy(static_cast<OnDevice*>(memory), memory->context); });
  table_.memcpyToDm = [](ibv_dm* memory, std::uint64_t offset, const void* from, std::size_t length) {
    std::memcpy(static_cast<OnDevice*>(memory)->bytes.data() + offset, from, length);
    return 0;
  };
  table_.memcpyFromDm = [](void* to, ibv_dm* memory, std::uint64_t offset, std::size_t length) {
    std::memcpy(to, static_cast<OnDevice*>(memory)->bytes.data() + offset, length);
    return 0;
  };
  table_.regDmMr = locked([](ibv_pd* domain, ibv_dm* memory, std::uint64_t, std::size_t length, unsigned) -> ibv_mr* {
    return registered(static_cast<Domain*>(domain), static_cast<OnDevice*>(memory), nullptr, length);
  });
  table_.allocMw = locked([](ibv_pd* domain, ibv_mw_type type) -> ibv_mw* {
    auto* const made = opened(domain->context)->make<Window>(static_cast<Domain*>(domain));
    made->type = type;
    made->rkey = made->handle << 8U;
    return made;
  });
  table_.deallocMw =
      locked([destroy](ibv_mw* window) { return destroy(static_cast<Window*>(window), window->context); });
  table_.bindMw = locked([](ibv_qp* pair, ibv_mw* window, ibv_mw_bind* bind) {
    window->rkey = ibv_inc_rkey(window->rkey);
    ibv_send_wr request{};
    request.wr_id = bind->wr_id;
    request.send_flags = bind->send_flags;
    request.opcode = IBV_WR_BIND_MW;
    ibv_send_wr* bad = nullptr;
    return send(*static_cast<Pair*>(pair), &request, &bad);
  });
  table_.createAh = locked([](ibv_pd* domain, ibv_ah_attr*) -> ibv_ah* {
    return opened(domain->context)->make<Path>(static_cast<Domain*>(domain));
  });
  table_.destroyAh = locked([destroy](ibv_ah* path) { return destroy(static_cast<Path*>(path), path->context); });
}

}  // namespace pinfold::verbs
