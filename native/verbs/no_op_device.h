// A device that is nothing but memory: 'noop0'. Every object can be made, every request completes at once and moves no
// byte. On it the life of all objects is tested where there is no RDMA, and what JavaScript itself costs is measured.
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

  // Its table, which keeps what it needs of the device alive.
  const FunctionTable& functions() const noexcept { return table_; }

  // Every context that is open gets an event of the device or of its port.
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
