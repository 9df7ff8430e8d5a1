// Makes calls of libibverbs fail on demand, and counts them. For tests, on any table.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "verbs/function_table.h"

namespace pinfold::verbs {

class Faults {
 public:
  // The `nth` call of `function` from now on (1 is the next call) fails with `error`, once. "" means any function,
  // except those that the event thread calls at any time. Replaces an earlier injection.
  void inject(std::string function, std::uint64_t nth, int error);
  // From now on calls fail with EIO, as on a device that was pulled out. Functions that read events or close the
  // context still work. clear() ends this.
  void remove();
  // Drops the injected fault and the removal, and counts calls from 0. Objects stay counted.
  void clear();

  std::map<std::string, std::uint64_t> calls() const;
  // The number of objects that were made and not destroyed.
  std::int64_t live() const;

  // For the wrapped functions: the error with which this call must fail, 0 for none.
  int next(const char* function);
  void made();
  void destroyed();

 private:
  struct Fault {
    std::string function;
    std::uint64_t left;
    int error;
  };

  mutable std::mutex mutex_;
  std::optional<Fault> fault_;
  bool removed_ = false;
  std::map<std::string, std::uint64_t> calls_;
  std::int64_t live_ = 0;
};

// The same table, in which each function asks `faults` first.
Functions withFaults(const FunctionTable& table, const std::shared_ptr<Faults>& faults);

}  // namespace pinfold::verbs
