// 'noop0' is a device that consists only of memory. Every object can be made. Every send request is done at once, and
// moves no bytes. Tests use it to check the life of all objects on machines without RDMA. Benchmarks use it to measure
// the cost of JavaScript itself.
#pragma once

#include <memory>

#include "verbs/function_table.h"

namespace pinfold::verbs {

namespace no_op {
struct World;
}

class NoOpDevice {
 public:
  NoOpDevice();
  NoOpDevice(const NoOpDevice&) = delete;
  NoOpDevice& operator=(const NoOpDevice&) = delete;
  ~NoOpDevice();

  // The table of the device. It keeps the parts of the device that it needs.
  const FunctionTable& functions() const noexcept { return table_; }

  // Every open context gets an event of the device, or of port `port`.
  void happen(ibv_event_type type, int port);

 private:
  std::shared_ptr<no_op::World> world_;
  FunctionTable table_;

  void addDevice();
  void addMemory();
  void addQueues();
  void addPairs();
};

}  // namespace pinfold::verbs
