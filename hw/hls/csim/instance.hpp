// SPDX-License-Identifier: Apache-2.0
// One compiled build of the engine. Each is a translation unit of its own, so that they compile side by side.
#ifndef FPQ_CSIM_INSTANCE_HPP_
#define FPQ_CSIM_INSTANCE_HPP_

#include <cstdint>

#include "fpq/registers.hpp"

namespace csim {

// Runs `count` commands on a memory of `words` 64-bit words, the first being word `first` of the address space. Throws
// fpq::sim::SimulationError for a defect of the engine.
using Run = fpq::Registers (*)(std::uint64_t* memory, std::uint64_t first, std::uint64_t words,
                               std::uint64_t list_address, std::uint32_t count);

struct Instance {
  const char* family;
  const char* geometry;
  Run run;
};

}  // namespace csim

#endif  // FPQ_CSIM_INSTANCE_HPP_
