// Attributes of queue pairs and paths in 32-bit words: the numbers and names of src/rdma/verbs/attribute-words.ts. A
// test compares the two.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace pinfold::verbs {

constexpr std::size_t kPathWords = 13;
// attr_mask, the attributes, the path, and the capacity that a query returns.
constexpr std::size_t kAttributeWords = 36;

ibv_ah_attr pathOf(std::span<const std::uint32_t, kPathWords> words);
ibv_qp_attr attributesOf(std::span<const std::uint32_t, kAttributeWords> words, int& mask);
void writeAttributes(const ibv_qp_attr& attributes, const ibv_qp_cap& capacity,
                     std::span<std::uint32_t, kAttributeWords> words);

}  // namespace pinfold::verbs
