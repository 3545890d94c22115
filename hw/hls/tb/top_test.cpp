// SPDX-License-Identifier: Apache-2.0
// The function that is synthesized, as the engine that gemm_test.cpp drives, and each of its ports.
#include <string>

#include "fpq_accel.hpp"
#include "machine.hpp"

namespace csim {

fpq::Registers FPQ_RUN(std::uint64_t* memory, std::uint64_t, std::uint64_t, std::uint64_t list_address,
                       std::uint32_t count) {
  fpq::Registers r;
  fpq_accel(memory, memory, memory, list_address, count, &r.identity, &r.geometry, &r.act_depth, &r.status,
            &r.error_index, &r.flags, &r.overflow_index, &r.nonfinite_index, &r.busy_cycles, &r.compute_cycles,
            &r.load_stall_cycles, &r.store_stall_cycles, &r.read_bytes, &r.write_bytes);
  return r;
}

}  // namespace csim

namespace {

using namespace fpq::spec;
using B = AccelBuild;

// Four commands that leave a different value in almost every register.
void ports(tb::Test& test) {
  tb::Machine<B> machine;
  tb::GemmCase gemm[3];
  for (tb::GemmCase& one : gemm) one = machine.add(test, {B::kRows, 32, 96, 64, 1});
  machine.put<float>(gemm[1].w_address, 1e30f);           // overflows
  machine.put<std::uint16_t>(gemm[2].x_address, 0x7c00);  // Inf
  machine.put<std::uint16_t>(gemm[2].x_address + 2, 0x3c00);
  machine.put<std::uint8_t>(3 * kDescriptorBytes, 9);  // no such operation
  const fpq::Registers r = machine.run(csim::FPQ_RUN, 4);
  const auto is = [&](const char* name, std::uint64_t found, std::uint64_t wanted) {
    test.equal(found, wanted, [&] { return std::string(name); });
  };
  is("contract", r.identity >> kIdentityContractLsb & 0xffff, kContractVersion);
  is("family", r.identity >> kIdentityFamilyLsb & 0xff, static_cast<std::uint64_t>(B::Family::kId));
  is("core", r.identity >> kIdentityCoreLsb, static_cast<std::uint64_t>(Core::kHls));
  is("rows", r.geometry >> kGeometryRowsLsb & 0xff, B::kRows);
  is("columns", r.geometry >> kGeometryColumnsLsb & 0xff, B::kColumns);
  is("lanes", r.geometry >> kGeometryLanesLsb & 0xff, B::kLanes);
  is("bus", std::uint64_t{1} << (r.geometry >> kGeometryBusLog2Lsb), B::kBusBits);
  is("act_depth", r.act_depth, B::kActDepth);
  is("status", r.status, static_cast<std::uint64_t>(ErrorCode::kOpcode));
  is("error_index", r.error_index, 3);
  is("flags", r.flags, kEngineFlagOverflow | kEngineFlagNonfinite);
  is("overflow_index", r.overflow_index, 1);
  is("nonfinite_index", r.nonfinite_index, 2);
  is("busy_cycles", r.busy_cycles, 0);
  is("compute_cycles", r.compute_cycles, 3 * fpq::ceil_divide(32, B::kColumns) * gemm[0].chunks());
  is("load_stall_cycles", r.load_stall_cycles, 0);
  is("store_stall_cycles", r.store_stall_cycles, 0);
  is("read_bytes", r.read_bytes, 4 * kDescriptorBytes + 3 * (B::kRows * 96 * 2 + gemm[0].stream_bytes()));
  is("write_bytes", r.write_bytes, 3 * B::kRows * 32 * 2);
}

const tb::Registered test_ports("top: every port of fpq_accel", ports);

}  // namespace
