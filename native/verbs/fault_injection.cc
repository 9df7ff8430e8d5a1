#include "verbs/fault_injection.h"

#include <cerrno>
#include <string_view>
#include <type_traits>
#include <utility>

namespace pinfold::verbs {
namespace {

bool isOfEvents(std::string_view function) {
  return function.starts_with("ibv_get_async") || function.starts_with("ibv_get_cq_event") ||
         function.starts_with("ibv_ack_");
}

// The functions that end a context must work on a removed device, too.
bool outlivesRemoval(std::string_view function) {
  return isOfEvents(function) || function == "ibv_close_device" || function == "ibv_free_device_list";
}

// Errors name every registration ibv_reg_mr (registration.cc), whichever function of the library makes it.
bool isMeant(std::string_view wanted, std::string_view function) {
  return wanted == function || (wanted == "ibv_reg_mr" && function == "ibv_reg_mr_iova2");
}

bool destroys(std::string_view function) {
  return function.starts_with("ibv_destroy_") || function.starts_with("ibv_dealloc_") || function == "ibv_dereg_mr" ||
         function == "ibv_free_dm" || function == "ibv_close_device";
}

template <typename Result, typename... Parameters>
void wrap(const char* name, std::function<Result(Parameters...)>& function, const std::shared_ptr<Faults>& faults) {
  if (!function) return;
  function = [name, faults, inner = std::move(function)](Parameters... parameters) -> Result {
    const int error = faults->next(name);
    if constexpr (std::is_pointer_v<Result>) {
      if (error != 0) {
        errno = error;
        return nullptr;
      }
      Result made = inner(std::forward<Parameters>(parameters)...);
      if (made != nullptr && !std::is_same_v<Result, ibv_device**>) faults->made();
      return made;
    } else if constexpr (std::is_same_v<Result, int>) {
      if (error != 0) return errno = error;  // ibv_rereg_mr reports its error in errno
      const int result = inner(std::forward<Parameters>(parameters)...);
      if (result == 0 && destroys(name)) faults->destroyed();
      return result;
    } else {
      return inner(std::forward<Parameters>(parameters)...);
    }
  };
}

}  // namespace

void Faults::inject(std::string function, std::uint64_t nth, int error) {
  const std::scoped_lock lock(mutex_);
  fault_ = Fault{std::move(function), nth, error};
}

void Faults::remove() {
  const std::scoped_lock lock(mutex_);
  removed_ = true;
}

void Faults::clear() {
  const std::scoped_lock lock(mutex_);
  fault_.reset();
  removed_ = false;
  calls_.clear();
}

std::map<std::string, std::uint64_t> Faults::calls() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

std::int64_t Faults::live() const {
  const std::scoped_lock lock(mutex_);
  return live_;
}

int Faults::next(const char* function) {
  const std::scoped_lock lock(mutex_);
  ++calls_[function];
  if (removed_ && !outlivesRemoval(function)) return EIO;
  if (!fault_) return 0;
  const bool counts = fault_->function.empty() ? !isOfEvents(function) : isMeant(fault_->function, function);
  if (!counts || --fault_->left > 0) return 0;
  const int error = fault_->error;
  fault_.reset();
  return error;
}

void Faults::made() {
  const std::scoped_lock lock(mutex_);
  ++live_;
}

void Faults::destroyed() {
  const std::scoped_lock lock(mutex_);
  --live_;
}

Functions withFaults(const FunctionTable& table, const std::shared_ptr<Faults>& faults) {
  auto wrapped = std::make_shared<FunctionTable>(table);
  forEachFunction([&](const char* name, auto member) { wrap(name, (*wrapped).*member, faults); });
  return wrapped;
}

}  // namespace pinfold::verbs
