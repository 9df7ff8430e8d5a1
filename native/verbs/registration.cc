#include "verbs/registration.h"

#include <cerrno>
#include <mutex>
#include <utility>

#include "memory/process_wide.h"

namespace pinfold::verbs {
namespace {

constexpr unsigned kZeroBased = IBV_ACCESS_ZERO_BASED;
constexpr unsigned kOptional = IBV_ACCESS_OPTIONAL_RANGE;
// With these rights, a peer could reach all memory of this process.
constexpr unsigned kRemote = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;

// Ranges that a device may reach for as long as the process lives.
struct Unreleased {
  std::mutex mutex;
  std::list<memory::LentBuffer> ranges;
};

}  // namespace

RegionRange regionRange(const char* call, std::uint64_t region, std::uint64_t offset, std::uint64_t length) {
  std::optional<memory::RegionUser> user = memory::RegionTable::process().attach(region);
  if (!user || length == 0 || offset > user->entry().size || length > user->entry().size - offset) {
    throw os::SystemError(call, EINVAL,
                          {{"region", static_cast<double>(region)},
                           {"offset", static_cast<double>(offset)},
                           {"length", static_cast<double>(length)}});
  }
  std::byte* const begin = user->entry().begin + offset;
  return {std::move(*user), begin, length};
}

RegisteredRange registerRange(const FunctionTable& verbs, ibv_pd* domain, const RegionRange& range,
                              std::optional<std::uint64_t> address, unsigned access) {
  const std::uint64_t own = reinterpret_cast<std::uintptr_t>(range.begin);
  const std::uint64_t wanted = address.value_or((access & kZeroBased) != 0 ? 0 : own);
  if (verbs.regMrIova2 || wanted != own) {
    const char* const name = wanted == own ? "ibv_reg_mr" : "ibv_reg_mr_iova2";
    return {make(name, verbs.regMrIova2, domain, static_cast<void*>(range.begin), range.length, wanted, access),
            wanted};
  }
  // Optional rights are left out here, since an older library does not know them.
  return {make("ibv_reg_mr", verbs.regMr, domain, static_cast<void*>(range.begin), range.length,
               static_cast<int>(access & ~kOptional)),
          wanted};
}

Registration::~Registration() {
  if (!isLetGo_ && !covered_.empty()) keepCovered();
  if (isLetGo_ || !range_ || made_.source == Source::Covered) return;
  // The device may still use the memory, so the pages must stay for as long as the process lives.
  range_->user.remain();
  for (memory::RegionUser& user : others_) user.remain();
}

void Registration::keepCovered() noexcept {
  auto& unreleased = memory::processWide<Unreleased>();
  const std::scoped_lock lock(unreleased.mutex);
  unreleased.ranges.splice(unreleased.ranges.end(), covered_);
}

Handle Registration::ofRegion(Context& context, Handle domain, RegionRange&& range,
                              std::optional<std::uint64_t> address, unsigned access) {
  auto& parent = context.objects().get<ProtectionDomain>("ibv_reg_mr", domain);
  return adopt(context, parent, std::move(range), registerRange(context.verbs(), parent.get(), range, address, access));
}

Handle Registration::adopt(Context& context, ProtectionDomain& domain, RegionRange&& range,
                           const RegisteredRange& made) {
  const std::uint64_t length = range.length;
  try {
    ObjectTable::Place place(context.objects());
    return place.put(std::make_unique<Registration>(
        context, domain, Made{made.made, made.address, length, Source::Region}, std::move(range)));
  } catch (const std::exception&) {
    if (context.verbs().deregMr(made.made) != 0) range.user.remain();  // the device may still use the memory
    throw;
  }
}

Handle Registration::ofDeviceMemory(Context& context, Handle domain, Handle memory, std::uint64_t offset,
                                    std::size_t length, unsigned access) {
  constexpr const char* kCall = "ibv_reg_dm_mr";
  auto& parent = context.objects().get<ProtectionDomain>(kCall, domain);
  auto& from = context.objects().get<DeviceMemory>(kCall, memory);
  ObjectTable::Place place(context.objects());
  // Device memory is always zero based (ibv_alloc_dm(3)).
  ibv_mr* const made =
      make(kCall, context.verbs().regDmMr, parent.get(), from.get(), offset, length, access | kZeroBased);
  return place.put(std::make_unique<Registration>(context, std::initializer_list<Object*>{&parent, &from},
                                                  Made{made, 0, length, Source::DeviceMemory}));
}

Handle Registration::ofDmabuf(Context& context, Handle domain, int descriptor, std::uint64_t offset, std::size_t length,
                              std::uint64_t address, int access) {
  constexpr const char* kCall = "ibv_reg_dmabuf_mr";
  auto& parent = context.objects().get<ProtectionDomain>(kCall, domain);
  ObjectTable::Place place(context.objects());
  ibv_mr* const made =
      make(kCall, context.verbs().regDmabufMr, parent.get(), offset, length, address, descriptor, access);
  return place.put(std::make_unique<Registration>(context, std::initializer_list<Object*>{&parent},
                                                  Made{made, address, length, Source::Dmabuf}));
}

Handle Registration::ofNothing(Context& context, Handle domain) {
  constexpr const char* kCall = "ibv_alloc_null_mr";
  auto& parent = context.objects().get<ProtectionDomain>(kCall, domain);
  ObjectTable::Place place(context.objects());
  ibv_mr* const made = make(kCall, context.verbs().allocNullMr, parent.get());
  return place.put(std::make_unique<Registration>(context, std::initializer_list<Object*>{&parent},
                                                  Made{made, 0, UINT64_MAX, Source::Null}));
}

Handle Registration::ofAll(Context& context, Handle domain, unsigned access) {
  constexpr const char* kCall = "ibv_reg_mr";
  auto& parent = context.objects().get<ProtectionDomain>(kCall, domain);
  if ((access & kRemote) != 0) throw os::SystemError(kCall, EINVAL, {{"access", static_cast<double>(access)}});
  ObjectTable::Place place(context.objects());
  void* const start = nullptr;
  ibv_mr* const made = make(kCall, context.verbs().regMr, parent.get(), start, SIZE_MAX, static_cast<int>(access));
  return place.put(std::make_unique<Registration>(context, std::initializer_list<Object*>{&parent},
                                                  Made{made, 0, 0, Source::Implicit}));
}

Handle Registration::cover(Context& context, Handle implicit, RegionRange&& range) {
  auto& whole = context.objects().get<Registration>("ibv_reg_mr", implicit);
  if (whole.made_.source != Source::Implicit) {
    throw os::SystemError("ibv_reg_mr", EINVAL, {{"handle", static_cast<double>(implicit)}});
  }
  ObjectTable::Place place(context.objects());
  if (whole.coveredRegions_.insert(range.user.entry().id).second) whole.covered_.emplace_back(range.user);
  const Made made{whole.made_.registration, reinterpret_cast<std::uintptr_t>(range.begin), range.length,
                  Source::Covered};
  return place.put(std::make_unique<Registration>(context, whole, made, std::move(range)));
}

Refusal Registration::entry(std::uint64_t offset, std::uint64_t length, bool inlined, ibv_sge& into) const noexcept {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 31U;
  if (made_.source == Source::Implicit) return Refusal::EntryRegistration;
  if (offset > made_.length || length > made_.length - offset || length > kMost) return Refusal::EntryRange;
  if (inlined && !range_) return Refusal::InlineMemory;
  const std::uint64_t start = inlined ? reinterpret_cast<std::uintptr_t>(range_->begin) : made_.address;
  into = {start + offset, static_cast<std::uint32_t>(length), lkey()};
  return Refusal::None;
}

ibv_mr* Registration::bindable(std::uint64_t offset, std::uint64_t length) const noexcept {
  if (made_.source == Source::Null || made_.source == Source::Implicit || made_.source == Source::Covered) {
    return nullptr;
  }
  return offset <= made_.length && length <= made_.length - offset ? made_.registration : nullptr;
}

void Registration::reregister(Change&& change) {
  constexpr const char* kCall = "ibv_rereg_mr";
  const FunctionTable& verbs = context_.verbs();
  requireFunction(kCall, verbs.reregMr);
  if (made_.source != Source::Region || !range_) throw os::SystemError(kCall, EINVAL);
  ProtectionDomain* const domain =
      change.domain ? &context_.objects().get<ProtectionDomain>(kCall, *change.domain) : nullptr;
  int flags = 0;
  if (domain != nullptr) flags |= IBV_REREG_MR_CHANGE_PD;
  if (change.range) flags |= IBV_REREG_MR_CHANGE_TRANSLATION;
  if (change.access) flags |= IBV_REREG_MR_CHANGE_ACCESS;
  std::byte* const begin = change.range ? change.range->begin : nullptr;
  errno = 0;
  const int left = verbs.reregMr(made_.registration, flags, domain == nullptr ? nullptr : domain->get(), begin,
                                 change.range ? change.range->length : 0, static_cast<int>(change.access.value_or(0)));
  if (left != 0 && left != IBV_REREG_MR_ERR_DO_FORK_OLD) {
    const int error = errno == 0 ? EINVAL : errno;
    // The error does not tell how far the command came, so the device may use the old memory or the new memory.
    const bool isUntouched = left == IBV_REREG_MR_ERR_INPUT || left == IBV_REREG_MR_ERR_DONT_FORK_NEW ||
                             error == EOPNOTSUPP || error == ENOSYS;
    if (!isUntouched && change.range) others_.push_back(std::move(change.range->user));
    throw os::SystemError(kCall, error, {{"state", static_cast<double>(left)}});
  }
  if (domain != nullptr) moveTo(*domain);
  if (!change.range) return;
  made_.address = reinterpret_cast<std::uintptr_t>(begin);
  made_.length = change.range->length;
  range_.reset();
  range_.emplace(std::move(*change.range));
}

void Registration::advise(Context& context, Handle domain, int advice, bool flush, std::span<const Advised> ranges) {
  constexpr const char* kCall = "ibv_advise_mr";
  auto& parent = context.objects().get<ProtectionDomain>(kCall, domain);
  std::vector<ibv_sge> entries;
  for (const Advised& range : ranges) {
    const auto& registration = context.objects().get<Registration>(kCall, range.registration);
    ibv_sge entry{};
    if (registration.entry(range.offset, range.length, false, entry) != Refusal::None) {
      throw os::SystemError(kCall, EINVAL);
    }
    entries.push_back(entry);
  }
  call(kCall, context.verbs().adviseMr, parent.get(), static_cast<ibv_advise_mr_advice>(advice),
       flush ? static_cast<std::uint32_t>(IBV_ADVISE_MR_FLAG_FLUSH) : 0U, std::span<ibv_sge>(entries));
}

void Registration::destroy() {
  const bool letGo =
      made_.source == Source::Covered || context_.end("ibv_dereg_mr", context_.verbs().deregMr, made_.registration);
  if (!letGo && range_) context_.keepUntilClosed(std::move(range_->user));
  if (!letGo) keepCovered();
  for (memory::RegionUser& user : others_) {
    if (!letGo) context_.keepUntilClosed(std::move(user));
  }
  isLetGo_ = true;
}

}  // namespace pinfold::verbs
