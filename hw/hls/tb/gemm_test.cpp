// SPDX-License-Identifier: Apache-2.0
// Whole commands against the reference: every byte of memory, and the flags. Compiled for each build of the engine.
#include <string>

#include "machine.hpp"

namespace csim {
fpq::Registers FPQ_RUN(std::uint64_t*, std::uint64_t, std::uint64_t, std::uint64_t, std::uint32_t);
}

namespace {

using tb::Data;
using tb::Shape;

template <class B>
void one(tb::Test& test, const Shape& shape) {
  tb::Machine<B> machine;
  const tb::GemmCase gemm = machine.add(test, shape);
  std::vector<std::uint8_t> wanted = machine.bytes;
  const tb::Flags flags = tb::gemm(gemm, wanted);
  const fpq::Registers registers = machine.run(csim::FPQ_RUN, 1);
  const std::string name = "m " + std::to_string(shape.m) + " n " + std::to_string(shape.n) + " k " +
                           std::to_string(shape.k) + " group " + std::to_string(shape.group) + " row_tiles " +
                           std::to_string(shape.row_tiles) + (shape.dual ? " dual" : "") + (shape.ght ? " ght" : "") +
                           " data " + std::to_string(static_cast<int>(shape.data));
  test.equal(registers.status, 0u, [&] { return name + ": status"; });
  test.equal(registers.flags, (flags.overflow ? 1u : 0u) | (flags.nonfinite ? 2u : 0u),
             [&] { return name + ": flags"; });
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (machine.bytes[i] != wanted[i] || i % 64 == 0) {
      test.equal(unsigned{machine.bytes[i]}, unsigned{wanted[i]}, [&] {
        return name + ": byte " + std::to_string(i) + " (Y at " + std::to_string(gemm.y_address) + ")";
      });
    }
  }
}

// A co-simulation copies all of memory for each command, and takes minutes for it.
#ifdef FPQ_COSIM
constexpr int kRounds = 2;
#else
constexpr int kRounds = 12;
#endif

template <class B>
void shapes(tb::Test& test) {
  constexpr std::uint32_t R = B::kRows, C = B::kColumns;
  constexpr bool kDual = B::Family::kHasDual;
  for (int dual = 0; dual < (kDual ? 2 : 1); ++dual) {
    const bool d = dual == 1;
    one<B>(test, {1, 32, 32, 32, 1, d, false, Data::kNormal});
    one<B>(test, {R - 1 + (R == 1), 32, 96, 64, 1, d, false, Data::kWide});
    one<B>(test, {R, 64, 128, 128, 1, d, true, Data::kNormal});
    one<B>(test, {R + 1, 96, 160, 128, 2, d, false, Data::kSpecial});
    one<B>(test, {3 * R + 1, 2 * C + (32 - 2 * C % 32) % 32, 256, 0xffffffe0u, 2, d, true, Data::kWide});
    one<B>(test, {2 * R, 32, 384, 256, 1, d, true, Data::kOneHot});
    one<B>(test, {R + 1, 32, 64, 96, 1, d, false, Data::kZero});
    one<B>(test, {2, 32, 512, 32, 1, d, false, Data::kSpecial});
    one<B>(test, {2, 32, 256, 128, 1, d, true, Data::kSpecial});
  }
  for (int round = 0; round < kRounds; ++round) {
    Shape shape;
    shape.m = 1 + test.below(4 * R);
    shape.n = 32 * (1 + test.below(3));
    shape.ght = test.below(2) != 0;
    shape.k = shape.ght ? 128 * (1 + test.below(4)) : 32 * (1 + test.below(16));
    shape.group = 32 * (1 + test.below(shape.k / 32 + 2));
    shape.row_tiles = 1 + test.below(3);
    shape.dual = kDual && test.below(2) != 0;
    shape.data = static_cast<Data>(test.below(5));
    one<B>(test, shape);
  }
}

#ifndef FPQ_COSIM
// The longest row: sums beyond 2^24 in one group, and every place of the buffers.
template <class B>
void longest(tb::Test& test) {
  one<B>(test, {2, 32, fpq::spec::kMaxK, fpq::spec::kMaxK, 1, false, true, Data::kNormal});
  one<B>(test, {2, 32, fpq::spec::kMaxK, 32, 1, B::Family::kHasDual, false, Data::kNormal});
}

#endif

#define FPQ_TEXT_OF(...) #__VA_ARGS__
#define FPQ_TEXT(...) FPQ_TEXT_OF(__VA_ARGS__)

using B = fpq::Build<fpq::spec::FPQ_FAMILY, fpq::spec::FPQ_GEOMETRY>;
const tb::Registered test_shapes("gemm: " FPQ_TEXT(FPQ_FAMILY) ", " FPQ_TEXT(FPQ_GEOMETRY), shapes<B>);
#ifndef FPQ_COSIM
const tb::Registered test_longest("gemm, longest row: " FPQ_TEXT(FPQ_FAMILY) ", " FPQ_TEXT(FPQ_GEOMETRY), longest<B>);
#endif

}  // namespace
