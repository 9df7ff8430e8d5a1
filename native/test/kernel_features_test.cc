#include "os/kernel_features.h"

#include <sys/utsname.h>

#include <cstdio>
#include <string>

#include "test/kernel_view.h"
#include "test/tap.h"

namespace pinfold::os {
namespace {

// The running kernel's version as one number: 6.1 is 6001.
int version() {
  utsname system = {};
  int major = 0;
  int minor = 0;
  if (::uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2)
    SKIP("uname tells no version");
  return major * 1000 + minor;
}

TEST("what a kernel of this version always has is found") {
  const KernelFeatures found = probeKernelFeatures();
  if (version() >= 5014) CHECK(found.populateWrite);
  if (version() >= 6003) CHECK(found.memfdNoexec);
}

TEST("what came later than this kernel is not found") {
  const KernelFeatures found = probeKernelFeatures();
  if (version() < 5014) CHECK(!found.populateWrite);
  if (version() < 6001) CHECK(!found.collapse);
  if (version() < 6003) CHECK(!found.memfdNoexec);
  if (version() < 5015) CHECK(!found.preferredMany);
  if (version() >= 5015) CHECK_EQUAL(found.preferredMany, found.numaPolicy);
}

TEST("probing leaves no descriptor and no mapping") {
  const std::size_t before = test::openDescriptors();
  for (int i = 0; i < 100; ++i) (void)probeKernelFeatures();
  CHECK_EQUAL(test::openDescriptors(), before);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) CHECK(line.find("pinfold:probe") == std::string::npos);
}

}  // namespace
}  // namespace pinfold::os

TAP_MAIN()
