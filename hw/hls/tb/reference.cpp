// SPDX-License-Identifier: Apache-2.0
#include "reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tb {
namespace {

constexpr double kHalfMax = 65504.0;

template <class T>
T load(const std::vector<std::uint8_t>& memory, std::uint64_t address) {
  T value;
  std::memcpy(&value, memory.data() + address, sizeof(T));
  return value;
}

std::uint64_t section(std::uint64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// The signed units of one row's codes, and its scales by group and sign.
struct Row {
  std::vector<unsigned> code;
  std::vector<double> scale[2];
};

// Contract section 1.4, the matrix written out.
std::vector<double> hadamard(const std::vector<double>& x, const std::vector<std::uint16_t>& half) {
  std::vector<double> result(x.size());
  for (std::size_t block = 0; block < x.size(); block += 128) {
    int largest = 1;
    for (std::size_t i = 0; i < 128; ++i) {
      const int field = half[block + i] >> 10 & 31;
      largest = std::max(largest, field == 31 ? 30 : field);
    }
    for (std::size_t i = 0; i < 128; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < 128; ++j) {
        const double aligned = std::nearbyint(std::ldexp(x[block + j], 29 - largest));
        sum += __builtin_popcountll(i & j) % 2 != 0 ? -aligned : aligned;
      }
      result[block + i] = std::ldexp(sum, largest - 29);
    }
  }
  return result;
}

Row quantize(const GemmCase& gemm, const std::vector<std::uint8_t>& memory, std::uint32_t m, Flags& flags) {
  std::vector<double> x(gemm.k);
  std::vector<std::uint16_t> half(gemm.k);
  std::vector<bool> sign(gemm.k);
  for (std::uint32_t i = 0; i < gemm.k; ++i) {
    half[i] = load<std::uint16_t>(memory, gemm.x_address + std::uint64_t{m} * gemm.x_stride + 2 * i);
    if ((half[i] >> 10 & 31) == 31) flags.nonfinite = true;
    x[i] = half_value(half[i]);
    sign[i] = half[i] >> 15 != 0;
  }
  if (gemm.ght) {
    x = hadamard(x, half);
    for (std::uint32_t i = 0; i < gemm.k; ++i) sign[i] = x[i] < 0;
  }
  Row row;
  for (std::uint32_t first = 0; first < gemm.k; first += gemm.group) {
    const std::uint32_t end = std::min(gemm.k, first + gemm.group);
    double most[2] = {0, 0};
    for (std::uint32_t i = first; i < end; ++i) {
      double& largest = most[gemm.a.dual && sign[i] ? 1 : 0];
      largest = std::max(largest, std::fabs(x[i]));
    }
    for (int s = 0; s < 2; ++s) {
      const Magnitudes& table = s == 0 ? gemm.a.positive : gemm.a.negative;
      // The product of two singles is exact in double: one rounding to single here, one to half there.
      const float scaled = static_cast<float>(most[s] * static_cast<double>(table.fmax_reciprocal));
      row.scale[s].push_back(half_value(to_half(scaled)));
    }
    for (std::uint32_t i = first; i < end; ++i) {
      const double scale = row.scale[gemm.a.dual && sign[i] ? 1 : 0].back();
      row.code.push_back(gemm.a.encode(x[i], sign[i], scale));
    }
  }
  return row;
}

}  // namespace

int Magnitudes::index(double x, double scale) const {
  int count = 0;
  for (std::size_t i = 0; i + 1 < magnitude.size(); ++i) {
    const double threshold = std::ldexp((magnitude[i] + magnitude[i + 1]) * scale, unit_log2 - 1);
    const bool tie_goes_up = (i + 1) % 2 == 0;
    if (std::fabs(x) > threshold || (tie_goes_up && std::fabs(x) == threshold)) ++count;
  }
  return count;
}

int Format::units(unsigned code) const {
  if (integer) return is_negative(code) ? static_cast<int>(code) - (1 << bits) : static_cast<int>(code);
  const unsigned index = code & ((1u << (bits - 1)) - 1);
  if (!is_negative(code)) return positive.magnitude[index];
  return -negative.magnitude[index + static_cast<unsigned>(negative_offset)];
}

unsigned Format::encode(double x, bool sign, double scale) const {
  if (scale == 0) return 0;
  const int index = (sign ? negative : positive).index(x, scale);
  if (integer) return static_cast<unsigned>(sign ? -index : index) & ((1u << bits) - 1);
  if (!sign) return static_cast<unsigned>(index);
  if (negative_offset != 0 && index == 0) return 0;
  return 1u << (bits - 1) | static_cast<unsigned>(index - negative_offset);
}

double half_value(std::uint16_t half) {
  const int field = half >> 10 & 31;
  const int fraction = half & 1023;
  const double size = field == 31  ? kHalfMax
                      : field == 0 ? std::ldexp(fraction, -24)
                                   : std::ldexp(1024 + fraction, field - 25);
  return half >> 15 != 0 ? -size : size;
}

std::uint16_t to_half(double value, bool* saturated) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(value);
  if (saturated) *saturated = false;
  int exponent = size == 0 ? -100 : std::ilogb(size);
  exponent = std::max(exponent, -14);
  double steps = 0;  // of 2^(exponent - 10)
  if (std::isfinite(size)) steps = std::nearbyint(std::ldexp(size, 10 - exponent));
  if (!std::isfinite(size) || std::ldexp(steps, exponent - 10) > kHalfMax) {
    if (saturated) *saturated = true;
    return sign | 0x7bff;
  }
  // Counting on from the smallest number of this exponent carries into the next one by itself.
  return static_cast<std::uint16_t>(sign | ((exponent + 14) * 1024 + static_cast<int>(steps)));
}

std::uint64_t GemmCase::chunks() const {
  std::uint64_t count = 0;
  for (std::uint32_t first = 0; first < k; first += group) {
    count += (std::min(k - first, group) + lanes - 1) / lanes;
  }
  return count;
}

std::uint64_t GemmCase::stream_bytes() const {
  const std::uint64_t groups = (k + group - 1) / group;
  const std::uint64_t tile = section(4 * columns) + section(2 * columns * groups) +
                             section(chunks() * columns * lanes * static_cast<std::uint64_t>(w.bits) / 8);
  return tile * ((n + columns - 1) / columns);
}

Flags gemm(const GemmCase& gemm, std::vector<std::uint8_t>& memory) {
  Flags flags;
  std::vector<Row> rows;
  for (std::uint32_t m = 0; m < gemm.m; ++m) rows.push_back(quantize(gemm, memory, m, flags));

  const std::uint64_t tile_bytes = gemm.stream_bytes() / ((gemm.n + gemm.columns - 1) / gemm.columns);
  const std::uint64_t groups = rows[0].scale[0].size();
  for (std::uint32_t n = 0; n < gemm.n; ++n) {
    const std::uint64_t tile = gemm.w_address + n / gemm.columns * tile_bytes;
    const std::uint32_t c = n % gemm.columns;
    const std::uint64_t scales = tile + section(4 * gemm.columns);
    const std::uint64_t codes = scales + section(2 * gemm.columns * groups);
    const float bias = load<float>(memory, tile + 4 * c);
    std::vector<int> w;  // signed units of the column
    std::vector<double> scale;
    std::uint64_t chunk = 0;
    for (std::uint32_t first = 0; first < gemm.k; first += gemm.group) {
      scale.push_back(half_value(load<std::uint16_t>(memory, scales + 2 * (scale.size() * gemm.columns + c))));
      for (std::uint32_t i = 0; i < std::min(gemm.group, gemm.k - first); ++i) {
        const std::uint64_t code =
            (chunk + i / gemm.lanes) * gemm.columns * gemm.lanes + c * gemm.lanes + i % gemm.lanes;
        unsigned value = 0;
        for (int b = 0; b < gemm.w.bits; ++b) {
          const std::uint64_t bit = code * static_cast<std::uint64_t>(gemm.w.bits) + static_cast<std::uint64_t>(b);
          value |= static_cast<unsigned>(memory[codes + bit / 8] >> (bit % 8) & 1) << b;
        }
        w.push_back(gemm.w.units(value));
      }
      chunk += (std::min(gemm.group, gemm.k - first) + gemm.lanes - 1) / gemm.lanes;
    }
    for (std::uint32_t m = 0; m < gemm.m; ++m) {
      float acc = 0;
      for (std::uint64_t g = 0; g < groups; ++g) {
        const std::uint32_t first = static_cast<std::uint32_t>(g) * gemm.group;
        for (int half = 0; half < (gemm.a.dual ? 2 : 1); ++half) {
          std::int64_t p = 0;
          for (std::uint32_t i = first; i < std::min<std::uint64_t>(gemm.k, std::uint64_t{first} + gemm.group); ++i) {
            const unsigned code = rows[m].code[i];
            if (!gemm.a.dual || gemm.a.is_negative(code) == (half == 1)) p += std::int64_t{gemm.a.units(code)} * w[i];
          }
          const int unit = (half == 0 ? gemm.a.positive : gemm.a.negative).unit_log2 + gemm.w.positive.unit_log2;
          const float factor = static_cast<float>(std::ldexp(rows[m].scale[half][g] * scale[g], unit));
          const float term = static_cast<float>(p) * factor;
          acc = acc + term;
        }
      }
      const float sum = acc + bias;
      bool saturated = false;
      const std::uint16_t y = to_half(static_cast<double>(sum), &saturated);
      flags.overflow |= saturated;
      std::memcpy(memory.data() + gemm.y_address + std::uint64_t{m} * gemm.y_stride + 2 * n, &y, sizeof(y));
    }
  }
  return flags;
}

}  // namespace tb
