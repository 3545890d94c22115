// SPDX-License-Identifier: Apache-2.0
// Integers of W bits. Synthesis, and the bench with FPQ_EXACT_WIDTHS, use ap_int, which cuts to W bits. Otherwise they
// are the next larger built-in integers, which a compiler can vectorise; the bench proves that no value ever needs the
// cut.
#ifndef FPQ_TYPES_HPP_
#define FPQ_TYPES_HPP_

#include <cstdint>

#include "fpq/pragmas.hpp"

#if defined(__SYNTHESIS__) || defined(FPQ_EXACT_WIDTHS)
#include <ap_int.h>
#endif

namespace fpq {

#if defined(__SYNTHESIS__) || defined(FPQ_EXACT_WIDTHS)
template <int W>
using UInt = ap_uint<W>;
template <int W>
using Int = ap_int<W>;
#else
namespace detail {
constexpr int container_bits(int bits) {
  return bits <= 8 ? 8 : bits <= 16 ? 16 : bits <= 32 ? 32 : 64;
}
template <int Bits>
struct Container;
template <>
struct Container<8> {
  using Unsigned = std::uint8_t;
  using Signed = std::int8_t;
};
template <>
struct Container<16> {
  using Unsigned = std::uint16_t;
  using Signed = std::int16_t;
};
template <>
struct Container<32> {
  using Unsigned = std::uint32_t;
  using Signed = std::int32_t;
};
template <>
struct Container<64> {
  using Unsigned = std::uint64_t;
  using Signed = std::int64_t;
};
}  // namespace detail

template <int W>
using UInt = typename detail::Container<detail::container_bits(W)>::Unsigned;
template <int W>
using Int = typename detail::Container<detail::container_bits(W)>::Signed;
#endif

using Bit = UInt<1>;

// Constant arithmetic for widths and depths.
constexpr int gcd(int a, int b) {
  return b == 0 ? a : gcd(b, a % b);
}
constexpr int log2_floor(std::uint64_t value) {
  return value < 2 ? 0 : 1 + log2_floor(value / 2);
}
constexpr int bits_for(std::uint64_t largest) {
  return log2_floor(largest) + 1;
}

constexpr std::uint32_t ceil_divide(std::uint32_t value, std::uint32_t by) {
  return value / by + (value % by != 0);
}

template <class T>
constexpr T smaller(T a, T b) {
  return b < a ? b : a;
}

// The largest of N values, N a power of two, as a tree.
template <class T, int N>
T largest_of(T (&value)[N]) {
  for (int level = 0; level < log2_floor(N); ++level) {
    FPQ_UNROLL
    const int half = N >> (level + 1);
    for (int i = 0; i < half; ++i) {
      FPQ_UNROLL
      value[i] = value[i] < value[i + half] ? value[i + half] : value[i];
    }
  }
  return value[0];
}

}  // namespace fpq

#endif  // FPQ_TYPES_HPP_
