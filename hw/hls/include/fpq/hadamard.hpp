// SPDX-License-Identifier: Apache-2.0
// The group-wise Hadamard transformation (contract section 1.4), on blocks of 128 elements. Without it a block passes
// through as it is, so that the processes behind need not care.
#ifndef FPQ_HADAMARD_HPP_
#define FPQ_HADAMARD_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/numeric.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/stream.hpp"

namespace fpq {

constexpr int kLineCycles = kLineWords;  // X arrives at a word a cycle: the prologue has eight cycles for a slice
constexpr int kStages = log2_floor(kBlock);
static_assert(1 << kStages == kBlock, "a Hadamard matrix of this size");

// Lines to blocks, with the largest exponent. The last block of a row may be short; the rest of it is zero.
template <class B>
void gather_blocks(hls::stream<Line>& lines, hls::stream<HalfBlock>& blocks, bool& nonfinite, const Plan plan) {
  GroupWalk walk(plan.slices, kBlockSlices);  // a block takes the place of the group
  const std::uint64_t slices = static_cast<std::uint64_t>(plan.m) * plan.slices;
  HalfBlock block;
  FPQ_REGISTERS(block.element)
  bool seen = false;
  FPQ_LOOP(GATHER_BLOCKS)
  for (std::uint64_t i = 0; i < slices; ++i) {
    FPQ_PIPELINE(kLineCycles)
    FPQ_TRIPCOUNT(1, 1024 * kMaxSlices)
    const Line line = lines.read();
    if (walk.first_of_group()) {
      block.exponent = 1;
      for (int e = 0; e < kBlock; ++e) {
        FPQ_UNROLL
        block.element[e] = 0;
      }
    }
    UInt<5> exponent[kSlice];
    for (int e = 0; e < kSlice; ++e) {
      FPQ_UNROLL
      const std::uint16_t half = static_cast<std::uint16_t>(line.word[e / 4] >> (e % 4 * 16));
      block.element[walk.place * kSlice + e] = half;
      exponent[e] = split_half(half).exponent;
      if (is_nonfinite(half)) seen = true;
    }
    const UInt<5> most = largest_of(exponent);
    if (block.exponent < most) block.exponent = most;
    if (walk.last_of_group()) blocks.write(block);
    walk.next();
  }
  nonfinite = seen;
}

// An FP16 element as a signed integer in units of 2^(exponent - 29), rounded to nearest, ties to even.
inline Int<16> align(std::uint16_t half, UInt<5> exponent) {
  const HalfParts parts = split_half(half);
  const std::uint32_t distance = static_cast<std::uint32_t>(exponent) - static_cast<std::uint32_t>(parts.exponent);
  const std::uint32_t shift = distance < 16 ? distance : 16;  // sixteen clear all 15 bits
  const std::uint32_t wide = static_cast<std::uint32_t>(parts.significand) << 4;
  const std::uint32_t odd = (wide >> shift) & 1u;
  const std::uint32_t rounding = shift == 0 ? 0u : (1u << shift) / 2 - 1 + odd;
  const std::int32_t aligned = static_cast<std::int32_t>((wide + rounding) >> shift);
  return Int<16>((half & 0x8000u) != 0 ? -aligned : aligned);
}

// Seven stages of add and subtract in constant geometry: every stage is wired alike, and because the perfect shuffle
// of 128 elements comes back to itself after seven times, the result stands in natural order.
inline void hadamard(Int<23> (&x)[kBlock]) {
  FPQ_INLINE
  FPQ_LOOP(STAGES)
  for (int stage = 0; stage < kStages; ++stage) {
    FPQ_PIPELINE(1)
    Int<23> y[kBlock];
    FPQ_REGISTERS(y)
    for (int i = 0; i < kBlock / 2; ++i) {
      FPQ_UNROLL
      y[i] = Int<23>(x[2 * i] + x[2 * i + 1]);
      y[i + kBlock / 2] = Int<23>(x[2 * i] - x[2 * i + 1]);
    }
    for (int i = 0; i < kBlock; ++i) {
      FPQ_UNROLL
      x[i] = y[i];
    }
  }
}

template <class B>
void transform_blocks(hls::stream<HalfBlock>& in, hls::stream<ValueBlock>& out, const Plan plan) {
  const std::uint64_t blocks = static_cast<std::uint64_t>(plan.m) * ceil_divide(plan.slices, kBlockSlices);
  FPQ_LOOP(TRANSFORM_BLOCKS)
  for (std::uint64_t b = 0; b < blocks; ++b) {
    FPQ_TRIPCOUNT(1, 1024 * kMaxSlices / kBlockSlices)
    const HalfBlock halves = in.read();
    ValueBlock values;
    FPQ_REGISTERS(values.element)
    values.exponent = halves.exponent;
    for (int e = 0; e < kBlock; ++e) {
      FPQ_UNROLL
      values.element[e] = plan.ght ? Int<23>(align(halves.element[e], halves.exponent)) : Int<23>(halves.element[e]);
    }
    if (plan.ght) hadamard(values.element);
    out.write(values);
  }
}

// Blocks to slices of sign and magnitude.
template <class B>
void split_blocks(hls::stream<ValueBlock>& blocks, hls::stream<ValueSlice>& slices_out, const Plan plan) {
  GroupWalk walk(plan.slices, kBlockSlices);
  const std::uint64_t slices = static_cast<std::uint64_t>(plan.m) * plan.slices;
  ValueBlock block;
  FPQ_REGISTERS(block.element)
  FPQ_LOOP(SPLIT_BLOCKS)
  for (std::uint64_t i = 0; i < slices; ++i) {
    FPQ_PIPELINE(kLineCycles)
    FPQ_TRIPCOUNT(1, 1024 * kMaxSlices)
    if (walk.first_of_group()) block = blocks.read();
    ValueSlice slice;
    for (int e = 0; e < kSlice; ++e) {
      FPQ_UNROLL
      const std::int32_t value = static_cast<std::int32_t>(block.element[walk.place * kSlice + e]);
      const std::uint16_t half = static_cast<std::uint16_t>(value);
      const HalfParts parts = split_half(half);
      const bool negative = plan.ght ? value < 0 : (half & 0x8000u) != 0;
      const std::uint32_t magnitude = plan.ght ? static_cast<std::uint32_t>(negative ? -value : value)
                                               : static_cast<std::uint32_t>(parts.significand);
      const int exponent = plan.ght ? static_cast<int>(block.exponent) - 29 : static_cast<int>(parts.exponent) - 25;
      slice.magnitude[e] = UInt<31>(fixed_to_float(magnitude, exponent));
      slice.negative[e] = negative ? Bit(1) : Bit(0);
    }
    slices_out.write(slice);
    walk.next();
  }
}

}  // namespace fpq

#endif  // FPQ_HADAMARD_HPP_
