// SPDX-License-Identifier: Apache-2.0
// The top function for synthesis. FPQ_FAMILY and FPQ_GEOMETRY name structs of fpq/generated.hpp.
#ifndef FPQ_ACCEL_HPP_
#define FPQ_ACCEL_HPP_

#include <cstdint>

#include "fpq/build.hpp"

#ifndef FPQ_FAMILY
#define FPQ_FAMILY Fp4Family
#endif
#ifndef FPQ_GEOMETRY
#define FPQ_GEOMETRY SmallGeometry
#endif

using AccelBuild = fpq::Build<fpq::spec::FPQ_FAMILY, fpq::spec::FPQ_GEOMETRY>;

// The three memory ports see the same memory from address 0 on. The rest are the registers of hw/spec/registers.toml.
extern "C" void fpq_accel(const std::uint64_t* x_memory, const std::uint64_t* w_memory, std::uint64_t* y_memory,
                          std::uint64_t list_address, std::uint32_t count, std::uint32_t* identity,
                          std::uint32_t* geometry, std::uint32_t* act_depth, std::uint32_t* status,
                          std::uint32_t* error_index, std::uint32_t* flags, std::uint32_t* overflow_index,
                          std::uint32_t* nonfinite_index, std::uint64_t* busy_cycles, std::uint64_t* compute_cycles,
                          std::uint64_t* load_stall_cycles, std::uint64_t* store_stall_cycles,
                          std::uint64_t* read_bytes, std::uint64_t* write_bytes);

#endif  // FPQ_ACCEL_HPP_
