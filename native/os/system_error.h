// The core reports every failure as a SystemError: a system call, its errno, and the values of the call.
// Only addon/boundary.h turns it into a JavaScript error.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pinfold::os {

class SystemError : public std::runtime_error {
 public:
  using Values = std::vector<std::pair<std::string, double>>;

  SystemError(std::string_view call, int error, Values values = {});
  // `subject` says what the error is about when the errno alone does not tell: a path, a name, or the message of
  // another library.
  SystemError(std::string_view call, int error, std::string subject);

  const std::string& call() const noexcept { return call_; }
  int error() const noexcept { return error_; }
  const Values& values() const noexcept { return values_; }
  const std::string& subject() const noexcept { return subject_; }

 private:
  std::string call_;
  int error_;
  Values values_;
  std::string subject_;
};

// Throws the SystemError of `call`, with the errno that the call has set.
[[noreturn]] void throwErrno(std::string_view call, SystemError::Values values = {});

}  // namespace pinfold::os
