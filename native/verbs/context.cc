#include "verbs/context.h"

#include <cerrno>

namespace pinfold::verbs {
namespace {

// Owns the list of devices. An entry is valid for as long as the list exists, or once its device is open.
class DeviceList {
 public:
  explicit DeviceList(const FunctionTable& verbs) : verbs_(verbs) {
    errno = 0;
    list_ = verbs.getDeviceList(&count_);
    if (list_ != nullptr) return;
    count_ = 0;
    // A kernel without RDMA lists no devices. This is no failure.
    if (errno != ENOSYS && errno != ENOENT && errno != 0) os::throwErrno("ibv_get_device_list");
  }
  DeviceList(const DeviceList&) = delete;
  DeviceList& operator=(const DeviceList&) = delete;
  ~DeviceList() {
    if (list_ != nullptr) (void)verbs_.freeDeviceList(list_);
  }

  std::span<ibv_device*> devices() const noexcept { return {list_, static_cast<std::size_t>(count_)}; }

 private:
  const FunctionTable& verbs_;
  ibv_device** list_ = nullptr;
  int count_ = 0;
};

ibv_context* openDevice(const FunctionTable& verbs, const std::string& name) {
  const DeviceList list(verbs);
  for (ibv_device* const device : list.devices()) {
    if (name == device->name) return make("ibv_open_device", verbs.openDevice, device);
  }
  throw os::SystemError("ibv_get_device_list", ENODEV);
}

// The handle or port of an event. The element of an event of unknown type must not be read.
std::uint32_t elementOf(const ibv_async_event& event) {
  constexpr int kSpeedChange = 20;  // IBV_EVENT_DEVICE_SPEED_CHANGE, rdma-core 60
  switch (static_cast<int>(event.event_type)) {
    case IBV_EVENT_CQ_ERR:
      return ObjectTable::fromContext(event.element.cq->cq_context);
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED:
      return ObjectTable::fromContext(event.element.qp->qp_context);
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_SRQ_LIMIT_REACHED:
      return ObjectTable::fromContext(event.element.srq->srq_context);
    case IBV_EVENT_PORT_ACTIVE:
    case IBV_EVENT_PORT_ERR:
    case IBV_EVENT_LID_CHANGE:
    case IBV_EVENT_PKEY_CHANGE:
    case IBV_EVENT_SM_CHANGE:
    case IBV_EVENT_CLIENT_REREGISTER:
    case IBV_EVENT_GID_CHANGE:
    case kSpeedChange:
      return static_cast<std::uint32_t>(event.element.port_num);
    default:
      return 0;
  }
}

}  // namespace

std::vector<Listing> listDevices(const FunctionTable& verbs) {
  const DeviceList list(verbs);
  std::vector<Listing> found;
  for (ibv_device* const device : list.devices()) {
    found.push_back({device->name, verbs.getDeviceGuid(device), device->node_type, device->transport_type});
  }
  return found;
}

Context::Context(Functions verbs, const std::string& name, EventThread& events, std::uint64_t number)
    : verbs_(std::move(verbs)), events_(events), number_(number), device_(openDevice(*verbs_, name)) {
  try {
    source_ = events_.add(device_->async_fd, [this](std::vector<Event>& into) { return readEvent(into); });
  } catch (const std::exception&) {
    (void)verbs_->closeDevice(device_);
    throw;
  }
}

Context::~Context() {
  if (device_ == nullptr) return;
  events_.remove(source_);
  objects_.destroyAll(false);
  if (verbs_->closeDevice(device_) == 0) return;
  // The device may use this memory for ever.
  for (memory::RegionUser& user : orphans_) user.remain();
}

void Context::close() {
  objects_.destroyAll(true);
  if (objects_.count() > 0) {
    throw os::SystemError("ibv_close_device", EBUSY, {{"objects", static_cast<double>(objects_.count())}});
  }
  events_.remove(source_);
  const int error = verbs_->closeDevice(device_);
  if (error != 0 && !removed()) {
    source_ = events_.add(device_->async_fd, [this](std::vector<Event>& into) { return readEvent(into); });
    throw os::SystemError("ibv_close_device", error);
  }
  device_ = nullptr;
  // A removed device may fail to close. Then nothing proves that it does not use the memory any more.
  if (error != 0) {
    for (memory::RegionUser& user : orphans_) user.remain();
  }
  orphans_.clear();
}

bool Context::isSoftRoce() {
  constexpr std::uint32_t kVendor = 0xffffff;  // rxe_param.h, RXE_VENDOR_ID
  if (!isSoftRoce_) {
    ibv_device_attr_ex attributes{};
    if (verbs_->queryDevice(device_, &attributes) != 0) return false;  // the query failed; the next call asks again
    isSoftRoce_ = attributes.orig_attr.vendor_id == kVendor;
  }
  return *isSoftRoce_;
}

// Runs on the event thread. It acknowledges an event at once, since destroying an object waits for that.
int Context::readEvent(std::vector<Event>& into) {
  ibv_async_event event{};
  const int error = verbs_->getAsyncEvent(device_, &event);
  if (error != 0) {
    if ((error == EIO || error == ENODEV) && !removed_.exchange(true)) {
      into.push_back({number_, EventKind::Async, 0, IBV_EVENT_DEVICE_FATAL});
    }
    return error;
  }
  if (event.event_type == IBV_EVENT_DEVICE_FATAL) markRemoved();
  const Event told{number_, EventKind::Async, elementOf(event), static_cast<int>(event.event_type)};
  const int failed = verbs_->ackAsyncEvent(&event);
  into.push_back(told);  // last, since it needs memory
  return failed;
}

}  // namespace pinfold::verbs
