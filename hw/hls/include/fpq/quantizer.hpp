// SPDX-License-Identifier: Apache-2.0
// Scales and codes (contract sections 1.2 and 1.3). Magnitudes are patterns of positive FP32 numbers, which order as
// integers, so that a threshold costs one integer comparison and nothing is divided.
#ifndef FPQ_QUANTIZER_HPP_
#define FPQ_QUANTIZER_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/hadamard.hpp"
#include "fpq/numeric.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/stream.hpp"

namespace fpq {

// fp16(absmax * fp32(1/fmax)), saturated; the flag does not count it.
template <class Magnitudes>
std::uint16_t scale_of(std::uint32_t absmax) {
  bool saturated = false;
  return float_to_half(bits_of(float_of(absmax) * float_of(Magnitudes::kFmaxReciprocalBits)), saturated);
}

// What an element's pattern must exceed to reach magnitude i + 1: t_i * s, less one step where a tie goes up, which is
// where i + 1 is even. Beyond the table, and with scale zero, a limit that nothing exceeds.
constexpr std::uint32_t kNoLimit = 0x7fffffffu;

template <class Magnitudes>
std::uint32_t limit(int i, std::uint16_t scale) {
  FPQ_INLINE
  if (i >= Magnitudes::kCount - 1) return kNoLimit;
  const HalfParts parts = split_half(scale);
  const std::uint32_t product = Magnitudes::threshold(i) * static_cast<std::uint32_t>(parts.significand);
  const int exponent = static_cast<int>(parts.exponent) - 25 + Magnitudes::kUnitLog2 - 1;  // thresholds: half units
  const std::uint32_t tie_goes_up = (i + 1) % 2 == 0 ? 1u : 0u;
  return parts.significand == 0 ? kNoLimit : fixed_to_float(product, exponent) - tie_goes_up;
}

// The formats of a family; a family without a dual format is given its plain one, which is then never asked for.
template <class Format, class Plain>
struct DualOrPlain {
  using Type = Format;
};
template <class Plain>
struct DualOrPlain<void, Plain> {
  using Type = Plain;
};

template <class B>
struct Quantizer {
  using Family = typename B::Family;
  using Plain = typename Family::Plain;
  using Dual = typename DualOrPlain<typename Family::Dual, Plain>::Type;
  using Positive = typename Plain::Positive;
  using Negative = typename Dual::Negative;
  using Code = UInt<B::kCodeBits>;

  static constexpr int kLimits =
      (Positive::kCount > Negative::kCount ? static_cast<int>(Positive::kCount) : static_cast<int>(Negative::kCount)) -
      1;
  static constexpr int kIndexBits = bits_for(kLimits);

  // Limits for elements without and with the sign bit.
  struct Limits {
    UInt<31> of[2][kLimits];
    bool zero[2];  // the scale is zero: so is every code

    void set(const Scale& scale, bool dual) {
      FPQ_INLINE
      for (int i = 0; i < kLimits; ++i) {
        FPQ_UNROLL
        of[0][i] = UInt<31>(limit<Positive>(i, scale.half[0]));
        of[1][i] = UInt<31>(dual ? limit<Negative>(i, scale.half[1]) : limit<Positive>(i, scale.half[1]));
      }
      zero[0] = scale.half[0] == 0;
      zero[1] = scale.half[1] == 0;
    }
  };

  static Scale scales_of(std::uint32_t positive, std::uint32_t negative, bool dual) {
    Scale scale;
    const std::uint32_t both = positive < negative ? negative : positive;
    scale.half[0] = scale_of<Positive>(dual ? positive : both);
    scale.half[1] = dual ? scale_of<Negative>(negative) : scale.half[0];
    return scale;
  }

  static Code encode(UInt<kIndexBits> index, bool negative, bool dual) {
    FPQ_INLINE
    const std::uint32_t sign = negative ? 1u << (B::kCodeBits - 1) : 0u;
    const std::uint32_t magnitude = static_cast<std::uint32_t>(index);
    if (Plain::kInteger) return Code((negative ? 0u - magnitude : magnitude) & ((1u << B::kCodeBits) - 1));
    if (dual && negative && Dual::kNegativeOffset != 0) {
      return Code(magnitude == 0 ? 0u : sign | (magnitude - Dual::kNegativeOffset));
    }
    return Code(sign | magnitude);
  }

  static CodeSlice<B> codes_of(const ValueSlice& slice, const Limits& limits, bool dual) {
    FPQ_INLINE
    UInt<kIndexBits> index[kSlice];
    for (int e = 0; e < kSlice; ++e) {
      FPQ_UNROLL
      index[e] = 0;
    }
    for (int i = 0; i < kLimits; ++i) {
      FPQ_UNROLL
      for (int e = 0; e < kSlice; ++e) {
        FPQ_UNROLL
        const UInt<31> at = slice.negative[e] != 0 ? limits.of[1][i] : limits.of[0][i];
        index[e] = UInt<kIndexBits>(index[e] + (slice.magnitude[e] > at ? 1 : 0));
      }
    }
    CodeSlice<B> codes;
    for (int e = 0; e < kSlice; ++e) {
      FPQ_UNROLL
      const bool negative = slice.negative[e] != 0;
      codes.code[e] = limits.zero[negative ? 1 : 0] ? Code(0) : encode(index[e], negative, dual);
    }
    return codes;
  }
};

// Passes the elements on and tells the scales of each group when it has seen the last of it. The FIFO of elements holds
// the longest row, so this never waits for the process behind, which waits for the scales.
template <class B>
void measure_groups(hls::stream<ValueSlice>& in, hls::stream<ValueSlice>& out, hls::stream<Scale>& scales,
                    const Plan plan) {
  GroupWalk walk(plan.slices, plan.group_slices);
  const std::uint64_t slices = static_cast<std::uint64_t>(plan.m) * plan.slices;
  UInt<31> group_most[2] = {0, 0};
  FPQ_REGISTERS(group_most)
  FPQ_LOOP(MEASURE_GROUPS)
  for (std::uint64_t i = 0; i < slices; ++i) {
    FPQ_PIPELINE(kLineCycles)
    FPQ_TRIPCOUNT(1, 1024 * kMaxSlices)
    const ValueSlice slice = in.read();
    for (int s = 0; s < 2; ++s) {
      FPQ_UNROLL
      UInt<31> magnitude[kSlice];
      for (int e = 0; e < kSlice; ++e) {
        FPQ_UNROLL
        magnitude[e] = slice.negative[e] == Bit(s) ? slice.magnitude[e] : UInt<31>(0);
      }
      const UInt<31> most = largest_of(magnitude);
      if (walk.first_of_group() || group_most[s] < most) group_most[s] = most;
    }
    if (walk.last_of_group()) {
      scales.write(Quantizer<B>::scales_of(static_cast<std::uint32_t>(group_most[0]),
                                           static_cast<std::uint32_t>(group_most[1]), plan.dual));
    }
    out.write(slice);
    walk.next();
  }
}

template <class B>
void quantize(hls::stream<ValueSlice>& in, hls::stream<Scale>& scales_in, hls::stream<CodeSlice<B>>& out,
              hls::stream<Scale>& scales_out, const Plan plan) {
  GroupWalk walk(plan.slices, plan.group_slices);
  const std::uint64_t slices = static_cast<std::uint64_t>(plan.m) * plan.slices;
  typename Quantizer<B>::Limits limits;
  FPQ_REGISTERS(limits.of)
  FPQ_LOOP(QUANTIZE)
  for (std::uint64_t i = 0; i < slices; ++i) {
    FPQ_PIPELINE(kLineCycles)
    FPQ_TRIPCOUNT(1, 1024 * kMaxSlices)
    if (walk.first_of_group()) {
      const Scale scale = scales_in.read();
      limits.set(scale, plan.dual);
      scales_out.write(scale);
    }
    out.write(Quantizer<B>::codes_of(in.read(), limits, plan.dual));
    walk.next();
  }
}

}  // namespace fpq

#endif  // FPQ_QUANTIZER_HPP_
