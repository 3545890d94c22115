// SPDX-License-Identifier: Apache-2.0
// FP16 and fixed point to and from FP32, against double arithmetic.
#include "fpq/numeric.hpp"

#include <cmath>
#include <string>

#include "check.hpp"
#include "reference.hpp"

namespace {

void halves(tb::Test& test) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const std::uint16_t half = static_cast<std::uint16_t>(bits);
    const fpq::HalfParts parts = fpq::split_half(half);
    const double value =
        std::ldexp(static_cast<double>(static_cast<int>(parts.significand)), static_cast<int>(parts.exponent) - 25);
    test.equal(value, std::fabs(tb::half_value(half)), [&] { return "half " + std::to_string(bits); });
    test.equal(fpq::is_nonfinite(half), (bits >> 10 & 31) == 31, [&] { return "half " + std::to_string(bits); });
  }
}

void one_float(tb::Test& test, std::uint32_t bits) {
  bool saturated = false, should = false;
  const std::uint16_t found = fpq::float_to_half(bits, saturated);
  const std::uint16_t wanted = tb::to_half(static_cast<double>(fpq::float_of(bits)), &should);
  test.equal(found, wanted, [&] { return "float " + std::to_string(bits); });
  test.equal(saturated, should, [&] { return "saturation of float " + std::to_string(bits); });
}

void floats(tb::Test& test) {
  // Around every half, and around every midpoint of neighbouring halves: the number, three above and three below.
  for (std::uint32_t half = 0; half <= 0x7bff; ++half) {
    const double here = tb::half_value(static_cast<std::uint16_t>(half));
    const double next = half == 0x7bff ? 65536.0 : tb::half_value(static_cast<std::uint16_t>(half + 1));
    for (const double value : {here, (here + next) / 2}) {
      const std::uint32_t bits = fpq::bits_of(static_cast<float>(value));
      for (std::uint32_t step = 0; step < 7; ++step) {
        const std::uint32_t near = bits + step < 3 ? 0 : bits + step - 3;
        one_float(test, near);
        one_float(test, near | 0x80000000u);
      }
    }
  }
  for (const std::uint32_t special : {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00001u, 0x00000001u, 0x807fffffu}) {
    one_float(test, special);
  }
  for (int i = 0; i < 300000; ++i) one_float(test, static_cast<std::uint32_t>(test.random()));
}

void fixed(tb::Test& test) {
  const auto one = [&](std::uint32_t magnitude, int exponent) {
    const double wanted = std::ldexp(static_cast<double>(magnitude), exponent);
    const double found = static_cast<double>(fpq::float_of(fpq::fixed_to_float(magnitude, exponent)));
    test.equal(found, wanted, [&] { return std::to_string(magnitude) + " * 2^" + std::to_string(exponent); });
  };
  for (int exponent = -60; exponent <= 10; ++exponent) {
    for (std::uint32_t magnitude = 0; magnitude < 2050; ++magnitude) one(magnitude, exponent);
    for (int i = 0; i < 1000; ++i) one(test.below(1u << 24), exponent);
    one((1u << 24) - 1, exponent);
  }
}

const tb::Registered split("numeric: all 65,536 halves", halves);
const tb::Registered round("numeric: FP32 to FP16, all midpoints and neighbours", floats);
const tb::Registered exact("numeric: fixed point to FP32", fixed);

}  // namespace
