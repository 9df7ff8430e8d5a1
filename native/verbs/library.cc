#include "verbs/library.h"

#include <dlfcn.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <string>
#include <type_traits>

#include "memory/process_wide.h"
#include "os/system_error.h"
#include "verbs/call.h"
#include "verbs/provider_calls.h"

namespace pinfold::verbs {
namespace {

constexpr const char* kName = "libibverbs.so.1";
constexpr const char* kBase = "IBVERBS_1.1";

struct Loaded {
  std::mutex mutex;
  Functions functions;
};

void* openLibrary() {
  const char* const chosen = ::secure_getenv("PINFOLD_LIBIBVERBS");
  const char* const path = chosen == nullptr || *chosen == '\0' ? kName : chosen;
  // RTLD_DEEPBIND is not used, since it would hide the malloc of a sanitizer from the library.
  void* const library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char* const said = ::dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one for each thread
  throw os::SystemError("dlopen", ELIBACC, said == nullptr ? path : said);
}

// A function of this name and version, or null.
//
// musl has no dlvsym. Its dlsym finds the default version of a name, and no other. Each version that is asked for below
// is the default version of its name (readelf shows it, for example in rdma-core 44), so dlsym finds the same
// functions.
void* lookUp(void* library, const char* name, [[maybe_unused]] const char* version) {
#ifdef __GLIBC__
  return ::dlvsym(library, name, version);
#else
  return ::dlsym(library, name);
#endif
}

// Exported functions, by name and version.
class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}

  // Returns null if the library lacks the function.
  template <typename Signature>
  Signature* find(const char* name, const char* version) const {
    return reinterpret_cast<Signature*>(lookUp(library_, name, version));
  }

  template <typename Signature>
  Signature* need(const char* name, const char* version = kBase) const {
    auto* const found = find<Signature>(name, version);
    if (found == nullptr) throwMissing(std::string(name) + "@" + version);
    return found;
  }

 private:
  void* library_;
};

// Turns the -1 of a failed call into the error number from errno. A read that is cut short sets no errno, so that of an
// earlier call must not remain.
template <typename Call>
int errnoOf(const Call& call) {
  errno = 0;
  if (call() == 0) return 0;
  return errno == 0 ? EPROTO : errno;
}

void addDevice(FunctionTable& table, const Symbols& symbols) {
  table.getDeviceList = symbols.need<ibv_device**(int*)>("ibv_get_device_list");
  auto* const freeList = symbols.need<void(ibv_device**)>("ibv_free_device_list");
  table.freeDeviceList = [freeList](ibv_device** list) { return freeList(list), 0; };
  table.getDeviceGuid = symbols.need<std::uint64_t(ibv_device*)>("ibv_get_device_guid");
  table.openDevice = symbols.need<ibv_context*(ibv_device*)>("ibv_open_device");
  auto* const close = symbols.need<int(ibv_context*)>("ibv_close_device");
  table.closeDevice = [close](ibv_context* context) { return errnoOf([=] { return close(context); }); };
  table.queryDevice = [old = symbols.need<OldQueryDevice>("ibv_query_device")](ibv_context* context,
                                                                               ibv_device_attr_ex* attributes) {
    return queryDevice(context, attributes, old);
  };
  table.queryPort = [old = symbols.need<OldQueryPort>("ibv_query_port")](ibv_context* context, std::uint8_t port,
                                                                         ibv_port_attr* attributes) {
    return queryPort(context, port, attributes, old);
  };
  using QueryGidTable = ssize_t(ibv_context*, ibv_gid_entry*, std::size_t, std::uint32_t, std::size_t);
  if (auto* const query = symbols.find<QueryGidTable>("_ibv_query_gid_table", "IBVERBS_1.11")) {
    table.queryGidTable = [query](ibv_context* context, std::span<ibv_gid_entry> entries, std::size_t* count) {
      const ssize_t found = query(context, entries.data(), entries.size(), 0, sizeof(ibv_gid_entry));
      *count = found < 0 ? 0 : static_cast<std::size_t>(found);
      return found < 0 ? static_cast<int>(-found) : 0;
    };
  }
  auto* const gid = symbols.need<int(ibv_context*, std::uint8_t, int, ibv_gid*)>("ibv_query_gid");
  table.queryGid = [gid](ibv_context* context, std::uint8_t port, int index, ibv_gid* found) {
    return errnoOf([=] { return gid(context, port, index, found); });
  };
  auto* const pkey = symbols.need<int(ibv_context*, std::uint8_t, int, std::uint16_t*)>("ibv_query_pkey");
  table.queryPkey = [pkey](ibv_context* context, std::uint8_t port, int index, std::uint16_t* key) {
    const int error = errnoOf([=] { return pkey(context, port, index, key); });
    *key = be16toh(*key);
    return error;
  };
  if (auto* const forked = symbols.find<int()>("ibv_is_fork_initialized", "IBVERBS_1.13")) {
    table.isForkInitialized = [forked](int* status) { return *status = forked(), 0; };
  }
  auto* const event = symbols.need<int(ibv_context*, ibv_async_event*)>("ibv_get_async_event");
  table.getAsyncEvent = [event](ibv_context* context, ibv_async_event* got) {
    return errnoOf([=] { return event(context, got); });
  };
  auto* const ack = symbols.need<void(ibv_async_event*)>("ibv_ack_async_event");
  table.ackAsyncEvent = [ack](ibv_async_event* got) { return ack(got), 0; };
}

void addMemory(FunctionTable& table, const Symbols& symbols) {
  table.allocPd = symbols.need<ibv_pd*(ibv_context*)>("ibv_alloc_pd");
  table.deallocPd = symbols.need<int(ibv_pd*)>("ibv_dealloc_pd");
  table.regMr = symbols.need<ibv_mr*(ibv_pd*, void*, std::size_t, int)>("ibv_reg_mr");
  using RegMrIova2 = ibv_mr*(ibv_pd*, void*, std::size_t, std::uint64_t, unsigned);
  if (auto* const found = symbols.find<RegMrIova2>("ibv_reg_mr_iova2", "IBVERBS_1.8")) table.regMrIova2 = found;
  using RegDmabufMr = ibv_mr*(ibv_pd*, std::uint64_t, std::size_t, std::uint64_t, int, int);
  if (auto* const found = symbols.find<RegDmabufMr>("ibv_reg_dmabuf_mr", "IBVERBS_1.12")) table.regDmabufMr = found;
  table.reregMr = symbols.need<int(ibv_mr*, int, ibv_pd*, void*, std::size_t, int)>("ibv_rereg_mr");
  table.deregMr = symbols.need<int(ibv_mr*)>("ibv_dereg_mr");
  table.createAh = symbols.need<ibv_ah*(ibv_pd*, ibv_ah_attr*)>("ibv_create_ah");
  table.destroyAh = symbols.need<int(ibv_ah*)>("ibv_destroy_ah");
}

void addQueues(FunctionTable& table, const Symbols& symbols) {
  table.createCompChannel = symbols.need<ibv_comp_channel*(ibv_context*)>("ibv_create_comp_channel", "IBVERBS_1.0");
  table.destroyCompChannel = symbols.need<int(ibv_comp_channel*)>("ibv_destroy_comp_channel", "IBVERBS_1.0");
  table.createCq = symbols.need<ibv_cq*(ibv_context*, int, void*, ibv_comp_channel*, int)>("ibv_create_cq");
  table.resizeCq = symbols.need<int(ibv_cq*, int)>("ibv_resize_cq");
  auto* const event = symbols.need<int(ibv_comp_channel*, ibv_cq**, void**)>("ibv_get_cq_event");
  table.getCqEvent = [event](ibv_comp_channel* channel, ibv_cq** queue, void** context) {
    return errnoOf([=] { return event(channel, queue, context); });
  };
  auto* const ack = symbols.need<void(ibv_cq*, unsigned)>("ibv_ack_cq_events");
  table.ackCqEvents = [ack](ibv_cq* queue, unsigned count) { return ack(queue, count), 0; };
  table.destroyCq = symbols.need<int(ibv_cq*)>("ibv_destroy_cq");
  table.createSrq = symbols.need<ibv_srq*(ibv_pd*, ibv_srq_init_attr*)>("ibv_create_srq");
  table.modifySrq = symbols.need<int(ibv_srq*, ibv_srq_attr*, int)>("ibv_modify_srq");
  table.querySrq = symbols.need<int(ibv_srq*, ibv_srq_attr*)>("ibv_query_srq");
  table.destroySrq = symbols.need<int(ibv_srq*)>("ibv_destroy_srq");
  table.createQp = symbols.need<ibv_qp*(ibv_pd*, ibv_qp_init_attr*)>("ibv_create_qp");
  table.modifyQp = symbols.need<int(ibv_qp*, ibv_qp_attr*, int)>("ibv_modify_qp");
  table.queryQp = symbols.need<int(ibv_qp*, ibv_qp_attr*, int, ibv_qp_init_attr*)>("ibv_query_qp");
  table.destroyQp = symbols.need<int(ibv_qp*)>("ibv_destroy_qp");
  table.attachMcast = symbols.need<int(ibv_qp*, const ibv_gid*, std::uint16_t)>("ibv_attach_mcast");
  table.detachMcast = symbols.need<int(ibv_qp*, const ibv_gid*, std::uint16_t)>("ibv_detach_mcast");
}

}  // namespace

void throwMissing(std::string_view name) {
  throw os::SystemError("dlvsym", ENOSYS, std::string(name) + " is not in this libibverbs");
}

Functions libraryFunctions() {
  auto& loaded = memory::processWide<Loaded>();
  const std::scoped_lock lock(loaded.mutex);
  if (loaded.functions) return loaded.functions;
  const Symbols symbols(openLibrary());
  FunctionTable table;
  addDevice(table, symbols);
  addMemory(table, symbols);
  addQueues(table, symbols);
  addProviderCalls(table);
  return loaded.functions = std::make_shared<const FunctionTable>(std::move(table));
}

}  // namespace pinfold::verbs
