// SPDX-License-Identifier: Apache-2.0
// FP16 and fixed point to and from FP32 in integer logic: vendor conversions may flush subnormals, these do not.
// Plain float additions, multiplications and conversions from integers round to nearest, ties to even, everywhere.
#ifndef FPQ_NUMERIC_HPP_
#define FPQ_NUMERIC_HPP_

#include <cstdint>

#include "fpq/types.hpp"

namespace fpq {

constexpr std::uint16_t kHalfMax = 0x7bff;  // 65504

namespace detail {
union FloatBits {  // reading the other member is defined by every compiler that matters here, and wires in hardware
  float value;
  std::uint32_t bits;
};
}  // namespace detail

inline std::uint32_t bits_of(float value) {
  detail::FloatBits both;
  both.value = value;
  return both.bits;
}

inline float float_of(std::uint32_t bits) {
  detail::FloatBits both;
  both.bits = bits;
  return both.value;
}

// A finite FP16 number as significand * 2^(exponent - 25), without its sign.
struct HalfParts {
  UInt<11> significand;
  UInt<5> exponent;  // at least 1: subnormals have the exponent of the smallest normals
};

// Exponent field 31 (Inf, NaN) reads as the largest finite number (contract section 1.5).
inline HalfParts split_half(std::uint16_t half) {
  const std::uint32_t field = (half >> 10) & 31u;
  const std::uint32_t fraction = half & 0x3ffu;
  const bool finite = field != 31;
  HalfParts parts;
  parts.significand = finite ? (field != 0 ? fraction | 0x400u : fraction) : 0x7ffu;
  parts.exponent = finite ? (field != 0 ? field : 1u) : 30u;
  return parts;
}

inline bool is_nonfinite(std::uint16_t half) {
  return (half & 0x7c00u) == 0x7c00u;
}

// The FP32 pattern of magnitude * 2^exponent. Exact: magnitude < 2^24, and the result is normal or zero.
inline std::uint32_t fixed_to_float(std::uint32_t magnitude, int exponent) {
  const std::uint32_t pattern = bits_of(static_cast<float>(static_cast<std::int32_t>(magnitude)));
  return magnitude == 0 ? 0u : pattern + (static_cast<std::uint32_t>(exponent) << 23);
}

// FP32 to FP16, rounded to nearest, ties to even, with subnormals. What rounds beyond 65504, Inf and NaN saturate.
inline std::uint16_t float_to_half(std::uint32_t bits, bool& saturated) {
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const int exponent = static_cast<int>((bits >> 23) & 0xffu) - 112;  // rebiased
  const bool normal = exponent >= 1;
  // Below half of the smallest subnormal everything is zero, so a shift of 26 is as good as a longer one.
  const int shift = normal ? 13 : (exponent > -12 ? 14 - exponent : 26);
  const std::uint32_t significand = (bits & 0x7fffffu) | 0x800000u;
  const std::uint32_t kept = significand >> shift;
  const std::uint32_t rest = significand & ((1u << shift) - 1);
  const std::uint32_t half = 1u << (shift - 1);
  const bool up = rest > half || (rest == half && (kept & 1u));
  // The hidden bit, and a carry out of the rounding, add one to the exponent field.
  const std::uint32_t base = normal ? static_cast<std::uint32_t>(exponent - 1) << 10 : 0u;
  const std::uint32_t rounded = base + kept + (up ? 1u : 0u);
  saturated = rounded > kHalfMax;
  return static_cast<std::uint16_t>(sign | (saturated ? kHalfMax : rounded));
}

}  // namespace fpq

#endif  // FPQ_NUMERIC_HPP_
