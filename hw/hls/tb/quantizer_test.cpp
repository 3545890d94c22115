// SPDX-License-Identifier: Apache-2.0
// Scales, thresholds and the Hadamard transform against the contract in double.
#include "fpq/quantizer.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "check.hpp"
#include "fpq/hadamard.hpp"
#include "reference.hpp"

namespace {

template <class Family>
using SmallBuild = fpq::Build<Family, fpq::spec::SmallGeometry>;

// All positive halves as absmax, and transformed values, which have more bits and go further up.
template <class Table>
void scales(tb::Test& test) {
  const tb::Magnitudes table = tb::magnitudes_of<Table>();
  const auto one = [&](double absmax) {
    const float scaled = static_cast<float>(absmax * static_cast<double>(table.fmax_reciprocal));
    const std::uint16_t found = fpq::scale_of<Table>(fpq::bits_of(static_cast<float>(absmax)));
    test.equal(found, tb::to_half(static_cast<double>(scaled)), [&] { return "absmax " + std::to_string(absmax); });
  };
  for (std::uint32_t half = 0; half <= 0x7bff; ++half) one(tb::half_value(static_cast<std::uint16_t>(half)));
  for (int i = 0; i < 20000; ++i)
    one(std::ldexp(static_cast<double>(test.below(1u << 22)), static_cast<int>(test.below(30)) - 28));
}

// One element at each threshold and at both its neighbours, through the whole slice quantizer.
template <class Family>
void thresholds(tb::Test& test, const tb::Format& format) {
  using B = SmallBuild<Family>;
  using Quantizer = fpq::Quantizer<B>;
  std::vector<std::uint16_t> tried;
  for (std::uint32_t scale = 0; scale < 40; ++scale) tried.push_back(static_cast<std::uint16_t>(scale));
  for (std::uint32_t scale = 0x3ff; scale <= 0x7bff; scale += 31 + test.below(200))
    tried.push_back(static_cast<std::uint16_t>(scale));
  tried.push_back(fpq::kHalfMax);
  typename Quantizer::Limits limits;
  fpq::ValueSlice slice;
  for (const std::uint16_t positive_scale : tried) {
    fpq::Scale scale;
    scale.half[0] = positive_scale;
    scale.half[1] = format.dual ? tried[test.below(static_cast<std::uint32_t>(tried.size()))] : positive_scale;
    limits.set(scale, format.dual);
    for (int sign = 0; sign < 2; ++sign) {
      const tb::Magnitudes& table = sign != 0 ? format.negative : format.positive;
      const double s = tb::half_value(scale.half[sign]);
      std::vector<std::uint32_t> patterns = {0, 1u << 23, 0x477fe000u};
      for (std::size_t i = 0; i + 1 < table.magnitude.size(); ++i) {
        const double t = std::ldexp((table.magnitude[i] + table.magnitude[i + 1]) * s, table.unit_log2 - 1);
        const std::uint32_t bits = fpq::bits_of(static_cast<float>(t));
        for (std::uint32_t step = 0; step < 3; ++step) patterns.push_back(bits + step == 0 ? 0 : bits + step - 1);
      }
      for (std::size_t first = 0; first < patterns.size(); first += fpq::kSlice) {
        for (int e = 0; e < fpq::kSlice; ++e) {
          slice.magnitude[e] = patterns[(first + static_cast<std::size_t>(e)) % patterns.size()];
          slice.negative[e] = static_cast<fpq::Bit>(sign);
        }
        const fpq::CodeSlice<B> codes = Quantizer::codes_of(slice, limits, format.dual);
        for (int e = 0; e < fpq::kSlice; ++e) {
          const double x = static_cast<double>(fpq::float_of(static_cast<std::uint32_t>(slice.magnitude[e])));
          test.equal(static_cast<unsigned>(codes.code[e]), format.encode(x, sign != 0, s), [&] {
            return format.name + (sign != 0 ? " -" : " +") + std::to_string(x) + " at scale " + std::to_string(s);
          });
        }
      }
    }
  }
}

void alignment(tb::Test& test) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const std::uint16_t half = static_cast<std::uint16_t>(bits);
    const int own = static_cast<int>(fpq::split_half(half).exponent);
    for (int exponent = own; exponent <= 30; ++exponent) {
      const double wanted = std::nearbyint(std::ldexp(tb::half_value(half), 29 - exponent));
      test.equal(static_cast<int>(fpq::align(half, fpq::UInt<5>(exponent))), static_cast<int>(wanted),
                 [&] { return "half " + std::to_string(bits) + " aligned to " + std::to_string(exponent); });
    }
  }
}

void transform(tb::Test& test) {
  for (int round = 0; round < 200; ++round) {
    fpq::Int<23> x[fpq::kBlock];
    int input[fpq::kBlock];
    for (int i = 0; i < fpq::kBlock; ++i) {
      // Rows of the matrix itself make one output as large as it can be.
      const int row = round % fpq::kBlock;
      input[i] = round < fpq::kBlock ? (__builtin_popcount(static_cast<unsigned>(i & row)) % 2 != 0 ? -32752 : 32752)
                                     : static_cast<int>(test.below(2 * 32752 + 1)) - 32752;
      x[i] = input[i];
    }
    fpq::hadamard(x);
    for (int i = 0; i < fpq::kBlock; ++i) {
      int wanted = 0;
      for (int j = 0; j < fpq::kBlock; ++j) {
        wanted += __builtin_popcount(static_cast<unsigned>(i & j)) % 2 != 0 ? -input[j] : input[j];
      }
      test.equal(static_cast<int>(x[i]), wanted, [&] { return "h[" + std::to_string(i) + "]"; });
    }
  }
}

using namespace fpq::spec;
const tb::Registered scale_e2m1("scale: e2m1", scales<E2m1Magnitudes>);
const tb::Registered scale_e1m2("scale: e1m2", scales<E1m2Magnitudes>);
const tb::Registered scale_e2m3("scale: e2m3", scales<E2m3Magnitudes>);
const tb::Registered scale_int6("scale: dual6's integers", scales<Dual6NegativeMagnitudes>);
const tb::Registered scale_int4("scale: int4", scales<Int4Magnitudes>);
const tb::Registered scale_int8("scale: int8", scales<Int8Magnitudes>);
const tb::Registered q_e2m1("thresholds: e2m1",
                            [](tb::Test& t) { thresholds<Fp4Family>(t, tb::format_of<E2m1>("e2m1")); });
const tb::Registered q_dual4("thresholds: dual4",
                             [](tb::Test& t) { thresholds<Fp4Family>(t, tb::format_of<Dual4>("dual4")); });
const tb::Registered q_e2m3("thresholds: e2m3",
                            [](tb::Test& t) { thresholds<Fp6Family>(t, tb::format_of<E2m3>("e2m3")); });
const tb::Registered q_dual6("thresholds: dual6",
                             [](tb::Test& t) { thresholds<Fp6Family>(t, tb::format_of<Dual6>("dual6")); });
const tb::Registered q_int4("thresholds: int4",
                            [](tb::Test& t) { thresholds<Int4Family>(t, tb::format_of<Int4>("int4")); });
const tb::Registered q_int8("thresholds: int8",
                            [](tb::Test& t) { thresholds<Int8Family>(t, tb::format_of<Int8>("int8")); });
const tb::Registered ght_align("hadamard: alignment, every half and exponent", alignment);
const tb::Registered ght_transform("hadamard: against the matrix", transform);

}  // namespace
