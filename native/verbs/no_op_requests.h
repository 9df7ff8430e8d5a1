// Requests to the device that does nothing. A send request completes at once.
#pragma once

#include <span>

#include "verbs/no_op_objects.h"

namespace pinfold::verbs::no_op {

int send(Pair& pair, ibv_send_wr* first, ibv_send_wr** bad);
int receive(std::deque<std::uint64_t>& queue, std::size_t most, ibv_recv_wr* first, ibv_recv_wr** bad);
// Completes the posted receives of a queue pair that is in the error state.
void flush(Pair& pair);
int take(Queue& queue, std::span<Completion> into, std::size_t* count);

}  // namespace pinfold::verbs::no_op
