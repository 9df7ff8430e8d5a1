// Gives the pages of closed regions back beside the event loop.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "addon/job.h"
#include "memory/region_table.h"

namespace pinfold::addon {

class UnmapJob : public Job {
 public:
  using Unmappings = std::shared_ptr<std::vector<memory::Unmapping>>;

  UnmapJob(Environment& owner, Unmappings unmappings) : Job(owner), unmappings_(std::move(unmappings)) {}

 private:
  void work() override { unmappings_->clear(); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  const Unmappings unmappings_;
};

}  // namespace pinfold::addon
