// The few system calls that Node does not offer. Each function is declared in src/native.ts.
#include <napi.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <thread>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "memory/placement.h"
#include "os/kernel_features.h"
#include "os/signal_watch.h"
#include "os/system_calls.h"
#include "os/system_error.h"
#include "os/timestamp_counter.h"

namespace pinfold::addon {
namespace {

// flock(2) with LOCK_EX. Without a second argument it does not wait. Otherwise the second argument is a function, which
// is called again and again while another owner holds the lock. The wait ends when the function throws. The wait also
// ends, with EINTR, when a signal comes that the program listens to, since no JavaScript listener can run before this
// function returns. It never waits in the kernel, since process.exit and a worker's end would wait for such a thread.
Napi::Value lockFile(const Napi::CallbackInfo& info) {
  constexpr std::chrono::milliseconds kLook(10);
  constexpr int kLooksPerCall = 10;
  const auto file = static_cast<int>(wholeNumber(info[0], "fd", std::numeric_limits<int>::max()));
  std::optional<os::SignalWatch> watch;
  for (int looks = 0;; ++looks) {
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
    if (errno != EWOULDBLOCK && errno != EINTR) os::throwErrno("flock");
    if (errno == EWOULDBLOCK && !info[1].IsFunction()) return Napi::Boolean::New(info.Env(), false);
    if (!watch) watch.emplace();
    if (isStopping(info.Env())) throw CallFailed();
    if (looks % kLooksPerCall == 0 && info[1].As<Napi::Function>().Call({}).IsEmpty()) throw CallFailed();
    if (const int signal = watch->caught(); signal != 0) {
      throw os::SystemError("flock", EINTR, {{"signal", static_cast<double>(signal)}});
    }
    std::this_thread::sleep_for(kLook);
  }
}

Napi::Value writeBound(const Napi::CallbackInfo& info) {
  const auto file = static_cast<int>(wholeNumber(info[0], "fd", std::numeric_limits<int>::max()));
  const std::string written = text(info[1], "text");
  memory::ThreadPlacement placement;
  placement.bind(static_cast<std::uint32_t>(wholeNumber(info[2], "node", 1023)));
  while (::write(file, written.data(), written.size()) < 0) {
    if (errno != EINTR) os::throwErrno("write");
  }
  return info.Env().Undefined();
}

Napi::Value limitOf(Napi::Env env, rlim_t value) {
  const bool unlimited = value == RLIM_INFINITY;
  return Napi::Number::New(env, unlimited ? std::numeric_limits<double>::infinity() : static_cast<double>(value));
}

Napi::Value resourceLimit(const Napi::CallbackInfo& info) {
  const auto resource = static_cast<int>(wholeNumber(info[0], "resource", RLIM_NLIMITS - 1));
  rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0) os::throwErrno("getrlimit");
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  if (pair.IsEmpty()) throw CallFailed();
  (void)pair.Set(0U, limitOf(info.Env(), limit.rlim_cur));
  (void)pair.Set(1U, limitOf(info.Env(), limit.rlim_max));
  return pair;
}

Napi::Value timestampCounter(const Napi::CallbackInfo& info) {
  const std::optional<os::TimestampReading> reading = os::readTimestampCounter();
  if (!reading) return info.Env().Undefined();
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  if (pair.IsEmpty()) throw CallFailed();
  (void)pair.Set(0U, static_cast<double>(reading->ticks));
  (void)pair.Set(1U, static_cast<double>(reading->nanoseconds));
  return pair;
}

Napi::Value probeFeatures(const Napi::CallbackInfo& info) {
  const os::KernelFeatures found = os::probeKernelFeatures();
  Napi::Object features = Napi::Object::New(info.Env());
  if (features.IsEmpty()) throw CallFailed();
  (void)features.Set("populateWrite", found.populateWrite);
  (void)features.Set("collapse", found.collapse);
  (void)features.Set("memfdHugetlb", found.memfdHugetlb);
  (void)features.Set("memfdNoexec", found.memfdNoexec);
  (void)features.Set("anonymousName", found.anonymousName);
  (void)features.Set("numaPolicy", found.numaPolicy);
  (void)features.Set("preferredMany", found.preferredMany);
  return features;
}

}  // namespace

void bindSystem(Napi::Object exports) {
  bind<lockFile>(exports, "lockFile");
  bind<writeBound>(exports, "writeBound");
  bind<resourceLimit>(exports, "resourceLimit");
  bind<timestampCounter>(exports, "timestampCounter");
  bind<probeFeatures>(exports, "probeFeatures");
}

}  // namespace pinfold::addon
