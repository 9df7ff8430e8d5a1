#include "os/system_error.h"

#include <cerrno>
#include <system_error>

namespace pinfold::os {
namespace {

std::string messageOf(std::string_view call, int error) {
  return std::string(call) + ": " + std::system_category().message(error);
}

}  // namespace

SystemError::SystemError(std::string_view call, int error, Values values)
    : std::runtime_error(messageOf(call, error)), call_(call), error_(error), values_(std::move(values)) {}

SystemError::SystemError(std::string_view call, int error, std::string subject)
    : std::runtime_error(messageOf(call, error) + ": " + subject),
      call_(call),
      error_(error),
      subject_(std::move(subject)) {}

void throwErrno(std::string_view call, SystemError::Values values) {
  const int error = errno;  // read before anything that allocates can overwrite it
  throw SystemError(call, error, std::move(values));
}

}  // namespace pinfold::os
