// SPDX-License-Identifier: Apache-2.0
// Lists of commands: what is refused, with which code and index, and that a refused command leaves no trace.
#include <cstring>
#include <functional>
#include <string>

#include "machine.hpp"

namespace csim {
fpq::Registers FPQ_RUN(std::uint64_t*, std::uint64_t, std::uint64_t, std::uint64_t, std::uint32_t);
}

namespace {

using namespace fpq::spec;
using B = fpq::Build<FPQ_FAMILY, FPQ_GEOMETRY>;
using Machine = tb::Machine<B>;

constexpr std::uint32_t kM = 3, kN = 32, kK = 128;

// Three good commands alike, and Y of the first.
struct Good {
  Machine machine;
  tb::GemmCase first;
  std::vector<std::uint8_t> y;

  explicit Good(tb::Test& test) : first(machine.add(test, {kM, kN, kK, 64, 1})) {
    machine.add(test, {kM, kN, kK, 64, 1});
    machine.add(test, {kM, kN, kK, 64, 1});
    std::vector<std::uint8_t> after = machine.bytes;
    tb::gemm(first, after);
    y.assign(after.begin() + y_start(), after.begin() + y_end());
  }

  std::ptrdiff_t y_start() const { return static_cast<std::ptrdiff_t>(first.y_address); }
  std::ptrdiff_t y_end() const { return y_start() + std::ptrdiff_t{first.y_stride} * kM; }
};

// Spoils the second command with `change`, and runs all three.
void refused(tb::Test& test, const std::string& what, ErrorCode code,
             const std::function<void(Machine&, std::uint64_t)>& change) {
  static const Good good(test);
  Machine machine = good.machine;
  change(machine, kDescriptorBytes);
  std::vector<std::uint8_t> wanted = machine.bytes;
  std::copy(good.y.begin(), good.y.end(), wanted.begin() + good.y_start());
  const fpq::Registers registers = machine.run(csim::FPQ_RUN, 3);
  test.equal(registers.status, static_cast<std::uint32_t>(code), [&] { return what + ": status"; });
  test.equal(registers.error_index, 1u, [&] { return what + ": error index"; });
  test.is_true(machine.bytes == wanted, what + ": only the first command may write");
}

template <class T>
void refused_field(tb::Test& test, const std::string& what, ErrorCode code, std::uint32_t offset, T value) {
  refused(test, what + " = " + std::to_string(value), code,
          [&](Machine& machine, std::uint64_t at) { machine.put<T>(at + offset, value); });
}

void refusals(tb::Test& test) {
  for (int opcode = 2; opcode < 256; ++opcode) {
    refused_field<std::uint8_t>(test, "opcode", ErrorCode::kOpcode, kOffsetOpcode, static_cast<std::uint8_t>(opcode));
  }
  for (int id = 0; id < 256; ++id) {
    const bool known = B::Family::accepts_activations(static_cast<FormatId>(id));
    const std::uint8_t byte = static_cast<std::uint8_t>(id);
    if (!known) refused_field<std::uint8_t>(test, "a_format", ErrorCode::kFormat, kOffsetAFormat, byte);
    if (id != static_cast<int>(B::Family::Weights::kId)) {
      refused_field<std::uint8_t>(test, "w_format", ErrorCode::kFormat, kOffsetWFormat, byte);
    }
  }
  for (int gap = 0; gap < ReservedGaps::kCount; ++gap) {
    for (std::uint32_t i = 0; i < ReservedGaps::bytes(gap); ++i) {
      const std::uint8_t bit = static_cast<std::uint8_t>(1u << test.below(8));
      refused_field<std::uint8_t>(test, "reserved byte", ErrorCode::kReserved, ReservedGaps::offset(gap) + i, bit);
    }
  }
  for (int bit = 0; bit < 32; ++bit) {
    const std::uint32_t flag = std::uint32_t{1} << bit;
    if ((flag & kCommandFlagMask) != 0) continue;
    refused_field<std::uint32_t>(test, "flags", ErrorCode::kReserved, kOffsetFlags, flag);
  }
  const struct {
    const char* name;
    std::uint32_t offset;
  } sizes[] = {{"n", kOffsetN}, {"k", kOffsetK}, {"group", kOffsetGroup}};
  for (const auto& size : sizes) {
    for (const std::uint32_t value : {0u, 1u, 16u, 33u, 63u, 0xffffffffu}) {
      refused_field<std::uint32_t>(test, size.name, ErrorCode::kShape, size.offset, value);
    }
  }
  refused_field<std::uint32_t>(test, "m", ErrorCode::kShape, kOffsetM, 0);
  refused_field<std::uint32_t>(test, "row_tiles", ErrorCode::kShape, kOffsetRowTiles, 0);
  refused(test, "ght with k = 96", ErrorCode::kShape, [](Machine& machine, std::uint64_t at) {
    machine.put<std::uint32_t>(at + kOffsetK, 96);
    machine.put<std::uint32_t>(at + kOffsetFlags, kCommandFlagGht);
  });
  const std::uint32_t chunks = 2 * ((64 + B::kLanes - 1) / B::kLanes);  // two groups of 64
  refused_field<std::uint32_t>(test, "row_tiles", ErrorCode::kCapacity, kOffsetRowTiles, B::kActDepth / chunks + 1);
  refused_field<std::uint32_t>(test, "row_tiles", ErrorCode::kCapacity, kOffsetRowTiles, 0xffffffff);
  refused_field<std::uint32_t>(test, "k", ErrorCode::kCapacity, kOffsetK, kMaxK + 32);
  refused_field<std::uint32_t>(test, "k", ErrorCode::kCapacity, kOffsetK, 0xffffffe0);
  for (const std::uint32_t offset : {kOffsetXAddress, kOffsetWAddress, kOffsetYAddress}) {
    for (const std::uint64_t misplaced : {1u, 8u, 32u}) {
      refused(test, "address " + std::to_string(offset), ErrorCode::kAlignment,
              [&](Machine& machine, std::uint64_t at) {
                machine.bytes[at + offset] = static_cast<std::uint8_t>(machine.bytes[at + offset] | misplaced);
              });
    }
  }
  for (const std::uint32_t value : {0u, 2 * kK - 8, 2 * kK + 4, 0xffffffffu}) {
    refused_field<std::uint32_t>(test, "x_stride", ErrorCode::kAlignment, kOffsetXStride, value);
  }
  for (const std::uint32_t value : {0u, 2 * kN - 8, 2 * kN + 4, 0xffffffffu}) {
    refused_field<std::uint32_t>(test, "y_stride", ErrorCode::kAlignment, kOffsetYStride, value);
  }
}

// Where memory ends, and numbers whose sums wrap around.
void beyond_memory(tb::Test& test) {
  const std::uint64_t far[] = {std::uint64_t{1} << 32, ~std::uint64_t{63}, std::uint64_t{1} << 63};
  for (const std::uint64_t address : far) {
    refused_field<std::uint64_t>(test, "x_address", ErrorCode::kRead, kOffsetXAddress, address);
    refused_field<std::uint64_t>(test, "w_address", ErrorCode::kRead, kOffsetWAddress, address);
    refused_field<std::uint64_t>(test, "y_address", ErrorCode::kWrite, kOffsetYAddress, address);
  }
  refused_field<std::uint32_t>(test, "m", ErrorCode::kRead, kOffsetM, 0xffffffff);
  refused_field<std::uint32_t>(test, "x_stride", ErrorCode::kRead, kOffsetXStride, 0xfffffff8);
  refused_field<std::uint32_t>(test, "y_stride", ErrorCode::kWrite, kOffsetYStride, 0xfffffff8);
  refused_field<std::uint32_t>(test, "n", ErrorCode::kAlignment, kOffsetN, 0xffffffe0);
  // Exactly to the end is well; a word more is not.
  for (std::uint64_t less = 0; less <= 8; less += 8) {
    Machine machine;
    const tb::GemmCase gemm = machine.add(test, {kM, kN, kK, 64, 1});
    machine.bytes.resize(gemm.y_address + std::uint64_t{kM - 1} * gemm.y_stride + 2 * kN - less);
    const ErrorCode code = less == 0 ? ErrorCode::kOk : ErrorCode::kWrite;
    test.equal(machine.run(csim::FPQ_RUN, 1).status, static_cast<std::uint32_t>(code),
               [] { return std::string("end of memory"); });
  }
  Machine machine;
  const std::uint64_t end = machine.bytes.size();
  for (const std::uint64_t list : {end, end - 64, ~std::uint64_t{63}}) {
    const fpq::Registers registers = machine.run(csim::FPQ_RUN, 1, list);
    test.equal(registers.status, static_cast<std::uint32_t>(ErrorCode::kRead), [] { return std::string("list"); });
  }
  // The list runs out of memory after its no-operations.
  const fpq::Registers registers = machine.run(csim::FPQ_RUN, 0xffffffff);
  test.equal(registers.status, static_cast<std::uint32_t>(ErrorCode::kRead), [] { return std::string("long list"); });
  test.equal(registers.error_index, static_cast<std::uint32_t>(end / kDescriptorBytes),
             [] { return std::string("long list: index"); });
  test.equal(machine.run(csim::FPQ_RUN, 1, 8).status, static_cast<std::uint32_t>(ErrorCode::kAlignment),
             [] { return std::string("list address"); });
}

// A chain of commands with a no-operation among them, sticky flags and their indices, counters.
void in_order(tb::Test& test) {
  Machine machine;
  std::vector<tb::GemmCase> gemms;
  std::vector<std::uint8_t> wanted;
  gemms.push_back(machine.add(test, {3, 32, 64, 64, 1}));
  gemms.push_back(machine.add(test, {3, 32, 64, 64, 1}));
  ++machine.commands;  // a no-operation; what else its descriptor says does not matter
  machine.put<std::uint64_t>(2 * kDescriptorBytes + 8, ~std::uint64_t{0});
  gemms.push_back(machine.add(test, {3, 32, 32, 64, 1}));
  // The last one reads what the first one wrote, and is told so.
  machine.put<std::uint64_t>(3 * kDescriptorBytes + kOffsetXAddress, gemms[0].y_address);
  machine.put<std::uint32_t>(3 * kDescriptorBytes + kOffsetXStride, gemms[0].y_stride);
  machine.put<std::uint32_t>(3 * kDescriptorBytes + kOffsetFlags, kCommandFlagFence);
  gemms[2].x_address = gemms[0].y_address;
  gemms[2].x_stride = gemms[0].y_stride;
  machine.put<std::uint16_t>(gemms[1].x_address, 0x7c00);  // Inf
  machine.put<float>(gemms[1].w_address, 1e30f);           // a bias that overflows
  machine.put<float>(gemms[2].w_address, -1e30f);
  wanted = machine.bytes;
  for (const tb::GemmCase& gemm : gemms) tb::gemm(gemm, wanted);
  const fpq::Registers registers = machine.run(csim::FPQ_RUN, 4);
  test.is_true(machine.bytes == wanted, "a list of four");
  const auto is = [&](const char* name, std::uint64_t found, std::uint64_t value) {
    test.equal(found, value, [&] { return std::string(name); });
  };
  is("status", registers.status, 0);
  is("error_index", registers.error_index, 0);
  is("flags", registers.flags, kEngineFlagOverflow | kEngineFlagNonfinite);
  is("overflow_index", registers.overflow_index, 1);
  is("nonfinite_index", registers.nonfinite_index, 1);
  is("write_bytes", registers.write_bytes, 3 * 3 * 32 * 2);
  const std::uint64_t row_blocks = (3 + B::kRows - 1) / B::kRows;
  std::uint64_t reads = 4 * kDescriptorBytes, chunks = 0;
  for (const tb::GemmCase& gemm : gemms) {
    reads += 3 * 2 * gemm.k + row_blocks * gemm.stream_bytes();
    chunks += row_blocks * ((32 + B::kColumns - 1) / B::kColumns) * gemm.chunks();
  }
  is("read_bytes", registers.read_bytes, reads);
  is("compute_cycles", registers.compute_cycles, chunks);
}

// 128 bytes of anything, and good commands with a few bits changed: no read or write out of bounds (the address
// sanitizer watches), and always an answer.
void garbage(tb::Test& test) {
  Machine good;
  good.add(test, {1, 32, 32, 32, 1});
  for (int round = 0; round < 2000; ++round) {
    Machine machine = good;
    for (std::uint32_t i = 0; i < kDescriptorBytes; ++i) {
      if (round % 3 == 0 && i != 0) machine.bytes[i] = static_cast<std::uint8_t>(test.random());
    }
    for (std::uint32_t changes = 1 + test.below(4); changes > 0; --changes) {
      machine.bytes[1 + test.below(63)] ^= static_cast<std::uint8_t>(1u << test.below(8));
    }
    const fpq::Registers registers = machine.run(csim::FPQ_RUN, 1);
    test.is_true(registers.status <= static_cast<std::uint32_t>(ErrorCode::kWrite), "a status of the contract");
  }
}

#define FPQ_TEXT_OF(...) #__VA_ARGS__
#define FPQ_TEXT(...) FPQ_TEXT_OF(__VA_ARGS__)
#define FPQ_NAME ": " FPQ_TEXT(FPQ_FAMILY) ", " FPQ_TEXT(FPQ_GEOMETRY)
const tb::Registered test_refusals("list, refusals" FPQ_NAME, refusals);
const tb::Registered test_memory("list, end of memory" FPQ_NAME, beyond_memory);
const tb::Registered test_order("list, order and registers" FPQ_NAME, in_order);
const tb::Registered test_garbage("list, garbage" FPQ_NAME, garbage);

}  // namespace
