// SPDX-License-Identifier: Apache-2.0
// Runs a list of commands in order, and keeps what the registers tell.
#ifndef FPQ_ENGINE_HPP_
#define FPQ_ENGINE_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/command.hpp"
#include "fpq/gemm.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/registers.hpp"

namespace fpq {

template <class B>
Registers identify() {
  Registers registers;
  registers.identity = spec::kContractVersion << spec::kIdentityContractLsb |
                       static_cast<std::uint32_t>(B::Family::kId) << spec::kIdentityFamilyLsb |
                       static_cast<std::uint32_t>(spec::Core::kHls) << spec::kIdentityCoreLsb;
  registers.geometry = static_cast<std::uint32_t>(B::kRows) << spec::kGeometryRowsLsb |
                       static_cast<std::uint32_t>(B::kColumns) << spec::kGeometryColumnsLsb |
                       static_cast<std::uint32_t>(B::kLanes) << spec::kGeometryLanesLsb |
                       static_cast<std::uint32_t>(log2_floor(B::kBusBits)) << spec::kGeometryBusLog2Lsb;
  registers.act_depth = B::kActDepth;
  return registers;
}

// All memory answers: in hardware the engine cannot see more of it.
struct AnyAddress {
  bool holds_descriptor(std::uint64_t) const { return true; }
  spec::ErrorCode check(const Plan&) const { return spec::ErrorCode::kOk; }
};

// `Memory` says which addresses may be touched, before anything is written.
template <class B, class Memory>
Registers run_list(const std::uint64_t* x_memory, const std::uint64_t* w_memory, std::uint64_t* y_memory,
                   std::uint64_t list_address, std::uint32_t count, const Memory& limits) {
  Registers registers = identify<B>();
  spec::ErrorCode status = spec::ErrorCode::kOk;
  if (count != 0 && list_address % spec::kSectionBytes != 0) status = spec::ErrorCode::kAlignment;
  FPQ_LOOP(COMMANDS)
  for (std::uint32_t index = 0; index < count && status == spec::ErrorCode::kOk; ++index) {
    FPQ_TRIPCOUNT(1, 4096)
    registers.error_index = index;
    const std::uint64_t address = list_address + static_cast<std::uint64_t>(index) * spec::kDescriptorBytes;
    if (!limits.holds_descriptor(address)) {
      status = spec::ErrorCode::kRead;
      break;
    }
    const Command command = read_command(x_memory, address);
    registers.read_bytes += spec::kDescriptorBytes;
    status = check<B>(command);
    if (status != spec::ErrorCode::kOk) break;
    if (command.opcode() == static_cast<std::uint8_t>(spec::Opcode::kNop)) continue;

    const Plan plan = make_plan<B>(command);
    status = limits.check(plan);
    if (status != spec::ErrorCode::kOk) break;
    bool nonfinite = false;
    bool overflow = false;
    gemm<B>(x_memory, w_memory, y_memory, plan, nonfinite, overflow);

    if (overflow && (registers.flags & spec::kEngineFlagOverflow) == 0) registers.overflow_index = index;
    if (nonfinite && (registers.flags & spec::kEngineFlagNonfinite) == 0) registers.nonfinite_index = index;
    registers.flags |= (overflow ? spec::kEngineFlagOverflow : 0) | (nonfinite ? spec::kEngineFlagNonfinite : 0);
    registers.compute_cycles += plan.tiles * plan.chunks * (plan.dual ? B::kHalves : 1);
    registers.read_bytes +=
        static_cast<std::uint64_t>(plan.m) * plan.slices * (kSlice * 2) + plan.row_blocks * plan.stream_words * 8;
    registers.write_bytes += static_cast<std::uint64_t>(plan.m) * plan.n * 2;
  }
  registers.status = static_cast<std::uint32_t>(status);
  if (status == spec::ErrorCode::kOk) registers.error_index = 0;
  return registers;
}

}  // namespace fpq

#endif  // FPQ_ENGINE_HPP_
