// An allocation that runs beside the event loop.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "addon/job.h"
#include "memory/mapping.h"

namespace pinfold::addon {

class AllocateJob : public Job {
 public:
  AllocateJob(Environment& owner, memory::MappingRequest request, std::string description)
      : Job(owner), request_(std::move(request)), description_(std::move(description)) {}

 private:
  void rest() noexcept override {
    request_.adopted.reset();  // drops the duplicate descriptor
    request_.announcement.reset();
  }
  void work() override { mapping_.emplace(request_, cancelled()); }
  Napi::Value result(Napi::Env env) override;

  memory::MappingRequest request_;
  const std::string description_;
  std::optional<memory::Mapping> mapping_;
};

}  // namespace pinfold::addon
