// SPDX-License-Identifier: Apache-2.0
// The contract word by word: slow, in double and float, with no line shared with the engine but the generated tables.
#ifndef FPQ_TB_REFERENCE_HPP_
#define FPQ_TB_REFERENCE_HPP_

#include <cstdint>
#include <string>
#include <vector>

#include "fpq/generated.hpp"

namespace tb {

// A magnitude table, at run time.
struct Magnitudes {
  std::vector<int> magnitude;
  int unit_log2;
  float fmax_reciprocal;

  // The number of thresholds below |x|, by exact comparison.
  int index(double x, double scale) const;
};

struct Format {
  std::string name;
  int id;
  int bits;
  bool integer;
  bool dual;
  int negative_offset;
  Magnitudes positive;
  Magnitudes negative;

  // A code's signed magnitude in units.
  int units(unsigned code) const;
  bool is_negative(unsigned code) const { return (code >> (bits - 1) & 1) != 0; }
  unsigned encode(double x, bool sign, double scale) const;
};

template <class Table>
Magnitudes magnitudes_of() {
  Magnitudes table;
  for (int i = 0; i < Table::kCount; ++i) table.magnitude.push_back(Table::magnitude(i));
  table.unit_log2 = Table::kUnitLog2;
  const std::uint32_t bits = Table::kFmaxReciprocalBits;
  static_assert(sizeof(float) == sizeof(bits), "IEEE single precision");
  __builtin_memcpy(&table.fmax_reciprocal, &bits, sizeof(bits));
  return table;
}

template <class F>
Format format_of(const char* name) {
  return {name,
          static_cast<int>(F::kId),
          F::kBits,
          F::kInteger,
          F::kDual,
          F::kNegativeOffset,
          magnitudes_of<typename F::Positive>(),
          magnitudes_of<typename F::Negative>()};
}

double half_value(std::uint16_t half);                           // Inf and NaN as +-65504
std::uint16_t to_half(double value, bool* saturated = nullptr);  // of a value that is exact in single precision

// A GEMM as the descriptor says it, for an engine with these columns and lanes. A group longer than a row is given as a
// row.
struct GemmCase {
  Format a;
  Format w;
  bool ght;
  std::uint32_t m, n, k, group;
  std::uint32_t columns, lanes;
  std::uint64_t x_address, w_address, y_address;
  std::uint32_t x_stride, y_stride;

  std::uint64_t stream_bytes() const;  // of W
  std::uint64_t chunks() const;
};

struct Flags {
  bool overflow = false;
  bool nonfinite = false;
};

// Reads X and W from memory and writes Y there.
Flags gemm(const GemmCase& gemm, std::vector<std::uint8_t>& memory);

}  // namespace tb

#endif  // FPQ_TB_REFERENCE_HPP_
