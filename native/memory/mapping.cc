#include "memory/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "memory/address_room.h"
#include "memory/descriptor_room.h"
#include "memory/populate.h"
#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kEmpty = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

double number(std::size_t value) { return static_cast<double>(value); }

os::Descriptor makeMemfd(const MappingRequest& request) {
  const std::string name = "pinfold:" + request.name;
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (request.page.kind == PageKind::Hugetlb) flags |= MFD_HUGETLB | request.page.encoded(os::kHugeShift);
  os::Descriptor memory(::memfd_create(name.c_str(), flags | os::kMfdNoexecSeal));
  if (!memory.valid() && errno == EINVAL) memory = os::Descriptor(::memfd_create(name.c_str(), flags));
  if (!memory.valid()) os::throwErrno("memfd_create", {{"pageSize", number(request.page.bytes)}});
  if (::ftruncate(memory.number(), static_cast<off_t>(request.size)) != 0) {
    os::throwErrno("ftruncate", {{"size", number(request.size)}});
  }
  // The seals prevent truncation of the mapped file by a program that opens it, as /proc/self/map_files/… or fd/N.
  if (::fcntl(memory.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) os::throwErrno("fcntl");
  return memory;
}

BackingFile::Request fileOf(const MappingRequest& request) {
  return {.path = request.path, .size = request.size, .pageSize = request.page.bytes};
}

struct Source {
  int flags;
  int descriptor;
  off_t offset = 0;
};

Source sourceOf(const MappingRequest& request, int descriptor) {
  if (request.backing == Backing::Adopted) {
    return {MAP_SHARED, request.adopted->number(), static_cast<off_t>(request.adopted->offset())};
  }
  if (request.backing != Backing::Anonymous) return {MAP_SHARED, descriptor};
  const bool huge = request.page.kind == PageKind::Hugetlb;
  const auto size = static_cast<int>(huge ? MAP_HUGETLB | request.page.encoded(os::kHugeShift) : 0U);
  return {MAP_PRIVATE | MAP_ANONYMOUS | size, -1};
}

struct Placed {
  AddressRange whole;
  std::byte* begin;
};

std::byte* map(void* address, std::size_t size, const Source& source, int flags) {
  void* const got = ::mmap(address, size, kReadWrite, source.flags | flags, source.descriptor, source.offset);
  return got == MAP_FAILED ? nullptr : static_cast<std::byte*>(got);
}

// The kernel itself aligns hugetlb and base mappings. It places them side by side, so closed ranges merge.
Placed mapAnywhere(std::size_t size, const Source& source) {
  std::byte* const begin = map(nullptr, size, source, 0);
  if (begin == nullptr) os::throwErrno("mmap", {{"size", number(size)}});
  return {AddressRange(begin, size), begin};
}

// Joins three neighbouring ranges. The outer two may be empty.
AddressRange joined(AddressRange& low, AddressRange& middle, AddressRange& high) {
  std::byte* const begin = low.size() == 0 ? middle.begin() : low.begin();
  const std::size_t size = low.size() + middle.size() + high.size();
  for (AddressRange* part : {&low, &middle, &high}) part->disown();
  return {begin, size};
}

// The kernel merges neighbouring anonymous mappings, and then reports their memory use as one. Guards keep regions
// apart.
bool needsGuard(const MappingRequest& request) {
  return request.guard || (request.backing == Backing::Anonymous && request.page.kind != PageKind::Hugetlb);
}

// Reserves more address space than is needed, finds an aligned place in it, and maps there. MAP_FIXED over our own
// reservation is not safe: a failing mmap may leave a hole. Another thread could map into the hole, and our later
// munmap would remove its mapping. So the place is unmapped first, and then mapped with MAP_FIXED_NOREPLACE. If another
// thread takes the place in between, the search starts again.
Placed mapAligned(const MappingRequest& request, const Source& source) {
  constexpr int kTries = 64;
  const std::size_t base = basePageSize();
  const bool guarded = needsGuard(request);
  const std::size_t guard = guarded ? base : 0;
  const std::size_t size = request.size;
  const std::size_t span = roundUp(size, request.page.bytes);
  for (int i = 0; i < kTries; ++i) {
    const std::size_t reserved = span + request.page.bytes + guard;
    void* const got = ::mmap(nullptr, reserved, PROT_NONE, kEmpty, -1, 0);
    if (got == MAP_FAILED) os::throwErrno("mmap", {{"size", number(reserved)}});
    AddressRange place(static_cast<std::byte*>(got), reserved);
    const auto address = reinterpret_cast<std::uintptr_t>(got);
    // The region takes the highest aligned place that fits. Without guards, its range reaches up to the next aligned
    // address. So successive regions touch, and their closed ranges merge.
    const std::uintptr_t aligned = (address + reserved - guard - span) / request.page.bytes * request.page.bytes;
    AddressRange low = place.takeFront(aligned - address);
    AddressRange high = place.takeBack(place.size() - size);
    if (!guarded) {
      low.release();
      high = high.takeFront(span - size);
    }
    std::byte* const wanted = place.begin();
    place.release();
    std::byte* const begin = map(wanted, size, source, MAP_FIXED_NOREPLACE);
    const int error = errno;
    AddressRange mapped(begin, begin == nullptr ? 0 : size);
    if (begin == wanted) return {joined(low, mapped, high), begin};
    if (begin == nullptr && error != EEXIST) throw os::SystemError("mmap", error, {{"size", number(size)}});
    // Another thread took the place. (A kernel before 4.17 takes the address for a hint, and may map elsewhere;
    // `mapped` then unmaps that.)
  }
  throw os::SystemError("mmap", EEXIST, {{"size", number(size)}});
}

void advise(std::byte* begin, std::size_t size, int advice) {
  if (::madvise(begin, size, advice) != 0) os::throwErrno("madvise", {{"advice", static_cast<double>(advice)}});
}

// MADV_COLLAPSE ignores the placement. So the threads that populate must spread huge pages that are to be interleaved.
bool isSpread(const MappingRequest& request) {
  return request.page.kind == PageKind::Transparent && request.placement.kind == PlacementKind::Interleave;
}

void prepare(std::byte* begin, const MappingRequest& request) {
  const std::size_t size = request.size;
  // After a fork, the next write to a private page copies it, and the device would continue with the other copy.
  advise(begin, size, MADV_DONTFORK);
  if (!request.dump) advise(begin, size, MADV_DONTDUMP);
  // A kernel without transparent pages answers EINVAL. Then all pages are base pages, and the region reports that.
  if (request.page.kind == PageKind::Transparent) (void)::madvise(begin, size, MADV_HUGEPAGE);
  if (request.page.kind == PageKind::Base) (void)::madvise(begin, size, MADV_NOHUGEPAGE);
  if (request.backing == Backing::Anonymous) (void)os::nameAnonymous(begin, size, ("pinfold:" + request.name).c_str());
  if (!isSpread(request)) place(begin, size, request.placement);
  if (!request.lock || request.page.kind == PageKind::Hugetlb) return;
  if (const int error = os::lockOnFault(begin, size); error != 0) {
    throw os::SystemError("mlock2", error, {{"size", number(size)}});
  }
}

}  // namespace

Mapping::Mapping(const MappingRequest& request, const std::atomic<bool>& cancelled)
    : size_(request.size),
      memory_(request.backing == Backing::Memfd ? makeMemfd(request) : os::Descriptor()),
      file_(request.backing == Backing::File ? std::make_optional<BackingFile>(fileOf(request)) : std::nullopt),
      adopted_(request.adopted),
      isShared_(request.backing != Backing::Anonymous),
      isHugetlb_(request.page.kind == PageKind::Hugetlb),
      dump_(request.dump) {
  if (request.backing == Backing::Adopted) request.adopted->require(request.size, request.page);
  const Source source = sourceOf(request, file_ ? file_->number() : memory_.number());
  const bool keepsDescriptor = isShared_ && isHugetlb_;
  if (keepsDescriptor) requireDescriptorRoom(source.descriptor);
  requireAddressRoom(request.size, !isShared_);
  const bool aligns = needsGuard(request) || request.page.kind == PageKind::Transparent;
  Placed placed = aligns ? mapAligned(request, source) : mapAnywhere(request.size, source);
  begin_ = placed.begin;
  whole_ = std::move(placed.whole);
  if (!keepsDescriptor) closeDescriptors();
  try {
    fill(request, cancelled);
  } catch (...) {
    dropPages();
    throw;
  }
}

void Mapping::fill(const MappingRequest& request, const std::atomic<bool>& cancelled) {
  prepare(begin_, request);
  populate({.begin = begin_,
            .size = size_,
            .page = request.page,
            .threads = request.threads,
            .spread = isSpread(request) ? std::span(request.placement.nodes) : std::span<const std::uint32_t>(),
            .announcement = request.announcement.get(),
            .mayHoldData = request.backing == Backing::File || request.backing == Backing::Adopted,
            .isShared = isShared_},
           cancelled);
  if (isSpread(request)) place(begin_, size_, request.placement);  // for pages that come later, after a swap
  if (file_ && request.keepFile) file_->keep();                    // last, so that a failure leaves no file
}

void Mapping::dropPages() noexcept {
  if (isHugetlb_) return;
  constexpr std::size_t kPiece = std::size_t{2} << 20U;  // half a millisecond; its multiples split no huge page
  std::byte* const end = whole_.begin() + whole_.size();
  for (std::byte* at = whole_.begin(); at < end;) {
    const std::size_t toBorder = kPiece - reinterpret_cast<std::uintptr_t>(at) % kPiece;
    const std::size_t size = std::min(toBorder, static_cast<std::size_t>(end - at));
    // The first advice is for locked pages, too, but Linux before 5.18 does not know it.
    if (::madvise(at, size, os::kMadvDontneedLocked) != 0 && ::madvise(at, size, MADV_DONTNEED) != 0) return;
    at += size;
  }
}

AddressRange Mapping::mapAgain(std::size_t offset, std::size_t length) const {
  if (!isShared_) throw os::SystemError("mmap", EOPNOTSUPP, {{"size", number(length)}});
  const int descriptor = adopted_ ? adopted_->number() : file_ ? file_->number() : memory_.number();
  const off_t from = static_cast<off_t>(offset + (adopted_ ? adopted_->offset() : 0));
  // mremap(2): an old size of 0 leaves the old mapping as it is.
  void* const got = descriptor < 0 ? ::mremap(begin_ + offset, 0, length, MREMAP_MAYMOVE)
                                   : ::mmap(nullptr, length, kReadWrite, MAP_SHARED, descriptor, from);
  if (got == MAP_FAILED) os::throwErrno(descriptor < 0 ? "mremap" : "mmap", {{"size", number(length)}});
  AddressRange made(static_cast<std::byte*>(got), length);
  // mremap(2) copies the lock, which would count twice. The region's own mapping keeps the pages locked.
  os::unlock(made.begin(), length);
  advise(made.begin(), length, MADV_DONTFORK);
  if (!dump_) advise(made.begin(), length, MADV_DONTDUMP);
  // The pages exist: this only enters them in the page tables. Without it (before Linux 5.14), the first access does.
  (void)::madvise(made.begin(), length, os::kMadvPopulateRead);
  return made;
}

void Mapping::closeDescriptors() noexcept {
  memory_.reset();
  file_.reset();
  adopted_.reset();
}

// Empty memory is mapped elsewhere, and then moved over the range. mmap(MAP_FIXED) over the range is not safe: before
// Linux 6.12 it unmaps first, and may fail after that (vm.overcommit_memory = 2 counts MAP_NORESERVE, too). A hole
// would remain. A late reader would get SIGSEGV, and another thread could map into the hole. When mremap(2) unmaps the
// range, nothing is left that the kernel could refuse.
void Mapping::retire() noexcept {
  dropPages();
  const std::size_t size = whole_.size();
  void* const empty = ::mmap(nullptr, size, kReadWrite, kEmpty, -1, 0);
  if (empty == MAP_FAILED) return;
  if (::mremap(empty, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, whole_.begin()) == MAP_FAILED) {
    AddressRange(static_cast<std::byte*>(empty), size).release();
    return;
  }
  // The empty memory stays out of forks and core dumps. Closed ranges with equal flags merge. If a call fails, only
  // these effects are lost.
  (void)::madvise(whole_.begin(), size, MADV_DONTFORK);
  (void)::madvise(whole_.begin(), size, MADV_DONTDUMP);
  closeDescriptors();
}

}  // namespace pinfold::memory
