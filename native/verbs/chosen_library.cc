#include "verbs/chosen_library.h"

#include "memory/process_wide.h"
#include "verbs/library.h"

namespace pinfold::verbs {

ChosenLibrary& ChosenLibrary::process() { return memory::processWide<ChosenLibrary>(); }

Functions ChosenLibrary::functions() {
  const std::scoped_lock lock(mutex_);
  const Functions chosen = usesNoOp_ ? std::make_shared<const FunctionTable>(noOp_->functions()) : libraryFunctions();
  return usesFaults_ ? withFaults(*chosen, faults_) : chosen;
}

void ChosenLibrary::choose(bool noOp, bool faults) {
  const std::scoped_lock lock(mutex_);
  if (!noOp_) noOp_ = std::make_unique<NoOpDevice>();
  usesNoOp_ = noOp;
  usesFaults_ = faults;
  faults_->clear();
}

NoOpDevice& ChosenLibrary::noOp() {
  const std::scoped_lock lock(mutex_);
  if (!noOp_) noOp_ = std::make_unique<NoOpDevice>();
  return *noOp_;
}

}  // namespace pinfold::verbs
