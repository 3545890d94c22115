// SPDX-License-Identifier: Apache-2.0
// The `out` registers of hw/spec/registers.toml.
#ifndef FPQ_REGISTERS_HPP_
#define FPQ_REGISTERS_HPP_

#include <cstdint>

namespace fpq {

struct Registers {
  std::uint32_t identity = 0;
  std::uint32_t geometry = 0;
  std::uint32_t act_depth = 0;
  std::uint32_t status = 0;
  std::uint32_t error_index = 0;
  std::uint32_t flags = 0;
  std::uint32_t overflow_index = 0;
  std::uint32_t nonfinite_index = 0;
  std::uint64_t busy_cycles = 0;
  std::uint64_t compute_cycles = 0;
  std::uint64_t load_stall_cycles = 0;
  std::uint64_t store_stall_cycles = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
};

}  // namespace fpq

#endif  // FPQ_REGISTERS_HPP_
