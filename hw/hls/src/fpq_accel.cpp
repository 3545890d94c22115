// SPDX-License-Identifier: Apache-2.0
#include "fpq_accel.hpp"

#include "fpq/engine.hpp"
#include "fpq/pragmas.hpp"

extern "C" void fpq_accel(const std::uint64_t* x_memory, const std::uint64_t* w_memory, std::uint64_t* y_memory,
                          std::uint64_t list_address, std::uint32_t count, std::uint32_t* identity,
                          std::uint32_t* geometry, std::uint32_t* act_depth, std::uint32_t* status,
                          std::uint32_t* error_index, std::uint32_t* flags, std::uint32_t* overflow_index,
                          std::uint32_t* nonfinite_index, std::uint64_t* busy_cycles, std::uint64_t* compute_cycles,
                          std::uint64_t* load_stall_cycles, std::uint64_t* store_stall_cycles,
                          std::uint64_t* read_bytes, std::uint64_t* write_bytes) {
  FPQ_MEMORY_PORT(x_memory, 64)
  FPQ_MEMORY_PORT(w_memory, AccelBuild::kBusBits)
  FPQ_MEMORY_PORT(y_memory, 64)
  FPQ_REGISTER(list_address, FPQ_REG_LIST_ADDRESS)
  FPQ_REGISTER(count, FPQ_REG_COUNT)
  FPQ_REGISTER(identity, FPQ_REG_IDENTITY)
  FPQ_REGISTER(geometry, FPQ_REG_GEOMETRY)
  FPQ_REGISTER(act_depth, FPQ_REG_ACT_DEPTH)
  FPQ_REGISTER(status, FPQ_REG_STATUS)
  FPQ_REGISTER(error_index, FPQ_REG_ERROR_INDEX)
  FPQ_REGISTER(flags, FPQ_REG_FLAGS)
  FPQ_REGISTER(overflow_index, FPQ_REG_OVERFLOW_INDEX)
  FPQ_REGISTER(nonfinite_index, FPQ_REG_NONFINITE_INDEX)
  FPQ_REGISTER(busy_cycles, FPQ_REG_BUSY_CYCLES)
  FPQ_REGISTER(compute_cycles, FPQ_REG_COMPUTE_CYCLES)
  FPQ_REGISTER(load_stall_cycles, FPQ_REG_LOAD_STALL_CYCLES)
  FPQ_REGISTER(store_stall_cycles, FPQ_REG_STORE_STALL_CYCLES)
  FPQ_REGISTER(read_bytes, FPQ_REG_READ_BYTES)
  FPQ_REGISTER(write_bytes, FPQ_REG_WRITE_BYTES)
  FPQ_CONTROL_PORT

  const fpq::Registers out =
      fpq::run_list<AccelBuild>(x_memory, w_memory, y_memory, list_address, count, fpq::AnyAddress());
  *identity = out.identity;
  *geometry = out.geometry;
  *act_depth = out.act_depth;
  *status = out.status;
  *error_index = out.error_index;
  *flags = out.flags;
  *overflow_index = out.overflow_index;
  *nonfinite_index = out.nonfinite_index;
  *busy_cycles = out.busy_cycles;
  *compute_cycles = out.compute_cycles;
  *load_stall_cycles = out.load_stall_cycles;
  *store_stall_cycles = out.store_stall_cycles;
  *read_bytes = out.read_bytes;
  *write_bytes = out.write_bytes;
}
