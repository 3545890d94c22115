// SPDX-License-Identifier: Apache-2.0
// Every pair of codes of every pair of formats against decode and multiply.
#include "fpq/products.hpp"

#include <string>

#include "check.hpp"
#include "reference.hpp"

namespace {

constexpr int kLanes = 32;

template <class Family>
struct Harness {
  using M = fpq::Multiplier<Family>;
  using Code = fpq::UInt<Family::kBits>;
  Code a_code[kLanes];
  Code w_code[kLanes];
  typename M::template Activations<kLanes> a;
  typename M::template Weights<kLanes> w;

  void decode(bool dual, bool negative_half) {
    a.decode(a_code, dual, negative_half);
    w.decode(w_code);
  }
};

// What a code of the activations counts in a half.
int activation_units(const tb::Format& format, unsigned code, int half) {
  if (format.dual && format.is_negative(code) != (half == 1)) return 0;
  return format.units(code);
}

template <class Family>
void all_pairs(tb::Test& test, const tb::Format& a, const tb::Format& w) {
  using M = fpq::Multiplier<Family>;
  Harness<Family> unit;
  const unsigned codes = 1u << Family::kBits;
  for (int half = 0; half < (a.dual ? 2 : 1); ++half) {
    for (unsigned i = 0; i < codes; ++i) {
      for (unsigned first = 0; first < codes; first += kLanes) {
        for (unsigned l = 0; l < kLanes; ++l) {
          unit.a_code[l] = static_cast<typename Harness<Family>::Code>(i);
          unit.w_code[l] = static_cast<typename Harness<Family>::Code>((first + l) % codes);
        }
        unit.decode(a.dual, half == 1);
        fpq::Int<M::kTermBits> term[kLanes];
        M::template terms<kLanes>(unit.a, unit.w, half == 1, term);
        for (unsigned l = 0; l < kLanes && first + l < codes; ++l) {
          const int wanted = activation_units(a, i, half) * w.units(first + l);
          test.equal(static_cast<int>(term[l]), wanted, [&] {
            return a.name + " " + std::to_string(i) + " x " + w.name + " " + std::to_string(first + l);
          });
        }
      }
    }
  }
}

// Sums of 32 products: random ones, and the largest of either sign, which need every bit of the sum.
template <class Family>
void sums(tb::Test& test, const tb::Format& a, const tb::Format& w) {
  Harness<Family> unit;
  const unsigned codes = 1u << Family::kBits;
  for (int round = 0; round < 2000; ++round) {
    const unsigned a_all = test.below(codes), w_all = test.below(codes);
    const int half = a.dual ? static_cast<int>(test.below(2)) : 0;
    int wanted = 0;
    for (int l = 0; l < kLanes; ++l) {
      const unsigned i = round % 2 == 0 ? a_all : test.below(codes);
      const unsigned j = round % 2 == 0 ? w_all : test.below(codes);
      unit.a_code[l] = static_cast<typename Harness<Family>::Code>(i);
      unit.w_code[l] = static_cast<typename Harness<Family>::Code>(j);
      wanted += activation_units(a, i, half) * w.units(j);
    }
    unit.decode(a.dual, half == 1);
    const auto sum = fpq::dot<fpq::Multiplier<Family>, kLanes>(unit.a, unit.w, half == 1);
    test.equal(static_cast<int>(sum), wanted, [&] { return "a sum of " + a.name + " x " + w.name; });
  }
}

template <class Family, class Act>
void both(tb::Test& test, const char* a_name, const char* w_name) {
  const tb::Format a = tb::format_of<Act>(a_name);
  const tb::Format w = tb::format_of<typename Family::Weights>(w_name);
  all_pairs<Family>(test, a, w);
  sums<Family>(test, a, w);
}

using namespace fpq::spec;
const tb::Registered e2m1("products: e2m1 x e2m1", [](tb::Test& t) { both<Fp4Family, E2m1>(t, "e2m1", "e2m1"); });
const tb::Registered dual4("products: dual4 x e2m1", [](tb::Test& t) { both<Fp4Family, Dual4>(t, "dual4", "e2m1"); });
const tb::Registered e2m3("products: e2m3 x e2m3", [](tb::Test& t) { both<Fp6Family, E2m3>(t, "e2m3", "e2m3"); });
const tb::Registered dual6("products: dual6 x e2m3", [](tb::Test& t) { both<Fp6Family, Dual6>(t, "dual6", "e2m3"); });
const tb::Registered int4("products: int4 x int4", [](tb::Test& t) { both<Int4Family, Int4>(t, "int4", "int4"); });
const tb::Registered int8("products: int8 x int8", [](tb::Test& t) { both<Int8Family, Int8>(t, "int8", "int8"); });

}  // namespace
