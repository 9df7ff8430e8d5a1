// Which table devices are opened with: libibverbs, unless a test has asked for another. The switch is the process's;
// what is open keeps the table that it was opened with.
#pragma once

#include <memory>
#include <mutex>

#include "verbs/fault_injection.h"
#include "verbs/function_table.h"
#include "verbs/no_op_device.h"

namespace pinfold::verbs {

class ChosenLibrary {
 public:
  static ChosenLibrary& process();

  // Throws SystemError as libraryFunctions() does.
  Functions functions();

  // For tests and benchmarks. With `noOp` there is no device but noop0; with `faults` calls can be made to fail, and
  // are counted, which takes a lock and a look-up for each.
  void choose(bool noOp, bool faults);
  Faults& faults() noexcept { return *faults_; }
  NoOpDevice& noOp();

 private:
  std::mutex mutex_;
  bool usesNoOp_ = false;
  bool usesFaults_ = false;
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  std::unique_ptr<NoOpDevice> noOp_;
};

}  // namespace pinfold::verbs
