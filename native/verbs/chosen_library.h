// The function table with which devices are opened: libibverbs, unless a test chooses another. The choice holds for the
// process. An open device keeps the table with which it was opened.
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

  // Throws the SystemError of libraryFunctions().
  Functions functions();

  // For tests and benchmarks. With `noOp`, noop0 is the only device. With `faults`, calls can be made to fail, and are
  // counted, which takes a lock and a look-up for each call.
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
