// SPDX-License-Identifier: Apache-2.0
// The bounds of simulated memory. Where hardware gets an error from the bus, a simulation must look before it touches.
#ifndef FPQ_SIM_MEMORY_HPP_
#define FPQ_SIM_MEMORY_HPP_

#include <cstdint>

#include "fpq/generated.hpp"
#include "fpq/plan.hpp"

namespace fpq {
namespace sim {

// A memory of `words` 64-bit words, the first being word `first` of the address space, as the `Memory` of run_list.
class BoundedMemory {
 public:
  BoundedMemory(std::uint64_t first, std::uint64_t words) : first_(first), words_(words) {}

  bool holds_descriptor(std::uint64_t address) const { return holds(address / 8, 1, 0, kDescriptorWords); }

  spec::ErrorCode check(const Plan& plan) const {
    if (!holds(plan.x_word, plan.m, plan.x_stride, plan.slices * kLineWords)) return spec::ErrorCode::kRead;
    if (!holds(plan.w_word, 1, 0, plan.stream_words)) return spec::ErrorCode::kRead;
    if (!holds(plan.y_word, plan.m, plan.y_stride, plan.n / 4)) return spec::ErrorCode::kWrite;
    return spec::ErrorCode::kOk;
  }

 private:
  // Whether `rows` rows of `row` words, `stride` words apart, lie within; for any 64-bit numbers.
  bool holds(std::uint64_t start, std::uint64_t rows, std::uint64_t stride, std::uint64_t row) const {
    if (start < first_) return false;
    start -= first_;
    if (start > words_ || row > words_ - start) return false;
    return rows <= 1 || rows - 1 <= (words_ - start - row) / stride;
  }

  std::uint64_t first_;
  std::uint64_t words_;
};

}  // namespace sim
}  // namespace fpq

#endif  // FPQ_SIM_MEMORY_HPP_
