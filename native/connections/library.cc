#include "connections/library.h"

#include <dlfcn.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <string>

#include "memory/process_wide.h"
#include "os/system_error.h"

namespace pinfold::connections {
namespace {

constexpr const char* kLibrary = "librdmacm.so.1";
constexpr const char* kOldest = "RDMACM_1.0";
constexpr const char* kExternal = "RDMACM_1.2";  // rdma-core 20: queue pairs that are not made by the library

struct LoadedLibrary {
  std::mutex mutex;
  Functions functions;
};

void* openConnectionLibrary() {
  const char* const chosen = ::secure_getenv("PINFOLD_LIBRDMACM");
  const char* const path = chosen == nullptr || *chosen == '\0' ? kLibrary : chosen;
  void* const library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char* const said = ::dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one for each thread
  throw os::SystemError("dlopen", ELIBACC, said == nullptr ? path : said);
}

template <typename Signature>
Signature* exported(void* library, const char* name, [[maybe_unused]] const char* version = kOldest) {
#ifdef __GLIBC__
  void* const found = ::dlvsym(library, name, version);
#else
  void* const found = ::dlsym(library, name);  // musl has no dlvsym; these versions are the default ones
#endif
  if (found != nullptr) return reinterpret_cast<Signature*>(found);
  throw os::SystemError("dlvsym", ENOSYS, std::string(name) + "@" + version + " is not in this librdmacm");
}

// The error number of a call that returns -1 and sets errno. Some calls of the library return the error number itself.
template <typename Call>
int errorOf(const Call& call) {
  errno = 0;
  const int result = call();
  if (result == 0) return 0;
  if (errno != 0) return errno;
  return result > 0 ? result : EPROTO;
}

// A function of an id and further arguments.
template <typename... Arguments>
std::function<int(rdma_cm_id*, Arguments...)> ofId(void* library, const char* name, const char* version = kOldest) {
  auto* const function = exported<int(rdma_cm_id*, Arguments...)>(library, name, version);
  return [function](rdma_cm_id* id, Arguments... arguments) {
    return errorOf([&] { return function(id, arguments...); });
  };
}

FunctionTable tableOf(void* library) {
  FunctionTable table;
  table.createEventChannel = exported<rdma_event_channel*()>(library, "rdma_create_event_channel");
  auto* const destroyChannel = exported<void(rdma_event_channel*)>(library, "rdma_destroy_event_channel");
  table.destroyEventChannel = [destroyChannel](rdma_event_channel* channel) { return destroyChannel(channel), 0; };
  auto* const getEvent = exported<int(rdma_event_channel*, rdma_cm_event**)>(library, "rdma_get_cm_event");
  table.getEvent = [getEvent](rdma_event_channel* channel, rdma_cm_event** event) {
    return errorOf([&] { return getEvent(channel, event); });
  };
  auto* const ack = exported<int(rdma_cm_event*)>(library, "rdma_ack_cm_event");
  table.ackEvent = [ack](rdma_cm_event* event) { return errorOf([&] { return ack(event); }); };

  auto* const create =
      exported<int(rdma_event_channel*, rdma_cm_id**, void*, rdma_port_space)>(library, "rdma_create_id");
  table.createId = [create](rdma_event_channel* channel, rdma_cm_id** id, void* context, rdma_port_space space) {
    return errorOf([&] { return create(channel, id, context, space); });
  };
  table.destroyId = ofId<>(library, "rdma_destroy_id");
  table.bindAddr = ofId<sockaddr*>(library, "rdma_bind_addr");
  table.resolveAddr = ofId<sockaddr*, sockaddr*, int>(library, "rdma_resolve_addr");
  table.resolveRoute = ofId<int>(library, "rdma_resolve_route");
  table.listen = ofId<int>(library, "rdma_listen");
  table.connect = ofId<rdma_conn_param*>(library, "rdma_connect");
  table.accept = ofId<rdma_conn_param*>(library, "rdma_accept");
  auto* const reject = exported<int(rdma_cm_id*, const void*, std::uint8_t)>(library, "rdma_reject");
  table.reject = [reject](rdma_cm_id* id, std::span<const std::uint8_t> data) {
    return errorOf([&] { return reject(id, data.data(), static_cast<std::uint8_t>(data.size())); });
  };
  table.establish = ofId<>(library, "rdma_establish", kExternal);
  table.disconnect = ofId<>(library, "rdma_disconnect");
  table.initQpAttr = ofId<ibv_qp_attr*, int*>(library, "rdma_init_qp_attr", kExternal);
  table.setOption = ofId<int, int, void*, std::size_t>(library, "rdma_set_option");
  auto* const join = exported<int(rdma_cm_id*, sockaddr*, void*)>(library, "rdma_join_multicast");
  table.joinMulticast = [join](rdma_cm_id* id, sockaddr* group) {
    return errorOf([&] { return join(id, group, nullptr); });
  };
  table.leaveMulticast = ofId<sockaddr*>(library, "rdma_leave_multicast");
  return table;
}

}  // namespace

Functions libraryFunctions() {
  auto& loaded = memory::processWide<LoadedLibrary>();
  const std::scoped_lock lock(loaded.mutex);
  if (!loaded.functions) loaded.functions = std::make_shared<const FunctionTable>(tableOf(openConnectionLibrary()));
  return loaded.functions;
}

}  // namespace pinfold::connections
