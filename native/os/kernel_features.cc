#include "os/kernel_features.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/descriptor.h"
#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::os {
namespace {

// One base page for the probes.
class Page {
 public:
  Page()
      : size_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))),
        begin_(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (begin_ == MAP_FAILED) throwErrno("mmap");
  }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  ~Page() { (void)::munmap(begin_, size_); }

  void* begin() const { return begin_; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  void* begin_;
};

bool canMakeMemfd(unsigned flags) { return Descriptor(::memfd_create("pinfold:probe", MFD_CLOEXEC | flags)).valid(); }

// The kernel refuses an unknown advice with EINVAL before it checks the range. For an empty range, a known advice
// succeeds.
bool knowsAdvice(void* address, int advice) { return ::madvise(address, 0, advice) == 0; }

bool knowsPolicy(const Page& page, Policy policy) {
  const std::array<unsigned long, 1> firstNode = {1};
  return mbind(page.begin(), page.size(), policy, firstNode) == 0;
}

}  // namespace

KernelFeatures probeKernelFeatures() {
  const Page page;
  return {.populateWrite = knowsAdvice(page.begin(), kMadvPopulateWrite),
          .collapse = knowsAdvice(page.begin(), kMadvCollapse),
          .memfdHugetlb = canMakeMemfd(MFD_HUGETLB),
          .memfdNoexec = canMakeMemfd(kMfdNoexecSeal),
          .anonymousName = nameAnonymous(page.begin(), page.size(), "pinfold:probe"),
          .numaPolicy = knowsPolicy(page, Policy::Bind),
          .preferredMany = knowsPolicy(page, Policy::PreferredMany)};
}

}  // namespace pinfold::os
