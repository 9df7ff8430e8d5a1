// Makes calls of libibverbs fail on demand, and counts them: for tests, on any table.
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
  // The `nth` call from now on (1 is the next) of `function` fails with `error`, once. "" is any function, but for
  // those that the event thread calls when it likes. Takes the place of what was injected before.
  void inject(std::string function, std::uint64_t nth, int error);
  // From now on every call fails with EIO, as on a device that was pulled out; restored by clear().
  void remove();
  // Injects nothing, and counts from 0. Objects stay counted.
  void clear();

  std::map<std::string, std::uint64_t> calls() const;
  // Objects that were made and not destroyed.
  std::int64_t live() const;

  // For the wrapped functions: the error that this call is to fail with; 0 for none.
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

// The same table, each of whose functions asks `faults` first.
Functions withFaults(const FunctionTable& table, const std::shared_ptr<Faults>& faults);

}  // namespace pinfold::verbs
