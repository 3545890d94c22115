// SPDX-License-Identifier: Apache-2.0
// Compiled once for each build, with FPQ_FAMILY, FPQ_GEOMETRY and FPQ_RUN (the function's name) defined.
#include "instance.hpp"

#include "fpq/engine.hpp"
#include "fpq/sim/memory.hpp"

namespace csim {

fpq::Registers FPQ_RUN(std::uint64_t* memory, std::uint64_t first, std::uint64_t words, std::uint64_t list_address,
                       std::uint32_t count) {
  using B = fpq::Build<fpq::spec::FPQ_FAMILY, fpq::spec::FPQ_GEOMETRY>;
  // Where word 0 would be. BoundedMemory keeps the engine from all that is not there.
  auto* origin = reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::uintptr_t>(memory) - first * sizeof *memory);
  return fpq::run_list<B>(origin, origin, origin, list_address, count, fpq::sim::BoundedMemory(first, words));
}

}  // namespace csim
