// A registration that runs beside the event loop, since pinning gigabytes takes the kernel long.
//
// The job keeps the domain and the region meanwhile. If the JavaScript thread ends before the registration is taken
// over, the job deregisters it.
#pragma once

#include <cstdint>
#include <optional>

#include "addon/job.h"
#include "verbs/registration.h"

namespace pinfold::addon {

class RegisterJob : public Job {
 public:
  RegisterJob(Environment& owner, verbs::Context& context, verbs::ProtectionDomain& domain, verbs::RegionRange&& range,
              std::optional<std::uint64_t> address, unsigned access);
  RegisterJob(const RegisterJob&) = delete;
  RegisterJob& operator=(const RegisterJob&) = delete;
  ~RegisterJob() override;

 private:
  void rest() noexcept override;
  void work() override;
  Napi::Value result(Napi::Env env) override;

  verbs::Context& context_;
  verbs::ProtectionDomain& domain_;
  std::optional<verbs::RegionRange> range_;
  const std::optional<std::uint64_t> address_;
  const unsigned access_;
  std::optional<verbs::RegisteredRange> made_;
  bool keepsDomain_ = true;
};

}  // namespace pinfold::addon
