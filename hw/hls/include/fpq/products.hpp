// SPDX-License-Identifier: Apache-2.0
// The multipliers: sums of products of code magnitudes as functions of the codes' bits. No block RAM, no DSP for
// FP4/FP6.
//
// Each family has an `Activations<L>` and a `Weights<L>`, L codes decoded into what the products need (in hardware
// shared by a row or a column of the array), and `terms`, their L signed products in units. Signs stay out of the
// multipliers: a negative product enters the sum as its one's complement plus a carry, and L products have L free carry
// inputs.
#ifndef FPQ_PRODUCTS_HPP_
#define FPQ_PRODUCTS_HPP_

#include <cstdint>

#include "fpq/generated.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/types.hpp"

namespace fpq {

template <int W>
Bit bit_of(const UInt<W>& value, int i) {
  return Bit((value >> i) & 1);
}

// An E2M1 index is {0 1 2 3} << {0 0 0 0 1 1 2 2}. Six bits decide: each bit of the product is one LUT6.
inline UInt<8> multiply_e2m1(UInt<3> a, UInt<3> w) {
  FPQ_INLINE
  const UInt<1> a_low = a & 1, a_high = ((a >> 1) | (a >> 2)) & 1;
  const UInt<1> w_low = w & 1, w_high = ((w >> 1) | (w >> 2)) & 1;
  // Significands 0 ... 3: bits of their product, 0 ... 9.
  const UInt<1> nine = (a_high & w_high) & (a_low & w_low);
  const UInt<1> bit0 = a_low & w_low;
  const UInt<1> bit1 = (a_high & w_low) ^ (a_low & w_high);
  const UInt<1> bit2 = (a_high & w_high) ^ nine;
  UInt<8> product =
      UInt<8>(bit0) | UInt<8>(UInt<8>(bit1) << 1) | UInt<8>(UInt<8>(bit2) << 2) | UInt<8>(UInt<8>(nine) << 3);
  product = (a & 4) != 0 ? UInt<8>(product << 1) : product;
  product = (a & 6) == 6 ? UInt<8>(product << 1) : product;
  product = (w & 4) != 0 ? UInt<8>(product << 1) : product;
  product = (w & 6) == 6 ? UInt<8>(product << 1) : product;
  return product;
}

// E1M2 magnitudes are the indices 0 ... 7. Again six bits decide.
inline UInt<8> multiply_e1m2_e2m1(UInt<3> a, UInt<3> w) {
  FPQ_INLINE
  const UInt<8> once = (w & 1) != 0 ? UInt<8>(a) : UInt<8>(0);
  const UInt<8> twice = (w & 6) != 0 ? UInt<8>(UInt<8>(a) << 1) : UInt<8>(0);
  UInt<8> product = UInt<8>(once + twice);
  product = (w & 4) != 0 ? UInt<8>(product << 1) : product;
  product = (w & 6) == 6 ? UInt<8>(product << 1) : product;
  return product;
}

// How often an E2M3 significand is doubled: 0 for the exponent fields 0 and 1, then 1 and 2.
inline UInt<2> e2m3_shift(UInt<5> index) {
  return (index & 16) != 0 ? UInt<2>(((index >> 3) & 1) + 1) : UInt<2>(0);
}

inline UInt<4> e2m3_significand(UInt<5> index) {
  return (index & 24) != 0 ? UInt<4>((index & 7) | 8) : UInt<4>(index & 7);
}

// digit * a for a radix-4 digit, given a and 3a.
inline UInt<8> select_multiple(UInt<2> digit, UInt<8> a, UInt<8> triple) {
  FPQ_INLINE
  const UInt<8> odd = (digit & 2) != 0 ? triple : a;
  const UInt<8> even = (digit & 2) != 0 ? UInt<8>(a << 1) : UInt<8>(0);
  return (digit & 1) != 0 ? odd : even;
}

// (a * (low + 4 high)) << shift, for a <= 32 and shift <= 4: two selections and an addition.
inline UInt<12> multiply_e2m3(UInt<8> a, UInt<8> triple, UInt<2> low, UInt<2> high, UInt<3> shift) {
  FPQ_INLINE
  UInt<12> product =
      UInt<12>(select_multiple(low, a, triple)) + UInt<12>(UInt<12>(select_multiple(high, a, triple)) << 2);
  product = (shift & 1) != 0 ? UInt<12>(product << 1) : product;
  product = (shift & 2) != 0 ? UInt<12>(product << 2) : product;
  product = (shift & 4) != 0 ? UInt<12>(product << 4) : product;
  return product;
}

// -magnitude or +magnitude, as one's complement and carry.
template <int W>
Int<W + 1> with_sign(UInt<W> magnitude, Bit negative) {
  FPQ_INLINE
  const Int<W + 1> ones = negative != 0 ? Int<W + 1>(-1) : Int<W + 1>(0);
  return Int<W + 1>((Int<W + 1>(magnitude) ^ ones) + negative);
}

template <class Family>
struct Multiplier;

template <>
struct Multiplier<spec::Fp4Family> {
  static constexpr int kTermBits = 9;

  template <int L>
  struct Weights {
    UInt<3> index[L];
    Bit negative[L];

    void decode(const UInt<4> (&code)[L]) {
      FPQ_INLINE
      for (int l = 0; l < L; ++l) {
        FPQ_UNROLL
        index[l] = UInt<3>(code[l] & 7);
        negative[l] = bit_of<4>(code[l], 3);
      }
    }
  };

  // Of a dual format only one half counts: the other half's elements become index 0, which is magnitude 0.
  template <int L>
  struct Activations : Weights<L> {
    void decode(const UInt<4> (&code)[L], bool dual, bool negative_half) {
      FPQ_INLINE
      for (int l = 0; l < L; ++l) {
        FPQ_UNROLL
        const Bit sign = bit_of<4>(code[l], 3);
        const Bit other_half = (sign ^ Bit(negative_half)) & Bit(dual);
        this->index[l] = other_half != 0 ? UInt<3>(0) : UInt<3>(code[l] & 7);
        this->negative[l] = sign;
      }
    }
  };

  template <int L>
  static void terms(const Activations<L>& a, const Weights<L>& w, bool negative_half, Int<kTermBits> (&term)[L]) {
    FPQ_INLINE
    UInt<8> magnitude[L];
    if (negative_half) {
      for (int l = 0; l < L; ++l) {
        FPQ_UNROLL
        magnitude[l] = multiply_e1m2_e2m1(a.index[l], w.index[l]);
      }
    } else {
      for (int l = 0; l < L; ++l) {
        FPQ_UNROLL
        magnitude[l] = multiply_e2m1(a.index[l], w.index[l]);
      }
    }
    for (int l = 0; l < L; ++l) {
      FPQ_UNROLL
      term[l] = with_sign<8>(magnitude[l], Bit(a.negative[l] ^ w.negative[l]));
    }
  }
};

template <>
struct Multiplier<spec::Fp6Family> {
  static constexpr int kTermBits = 13;

  template <int L>
  struct Weights {
    UInt<2> low[L];  // radix-4 digits of the significand
    UInt<2> high[L];
    UInt<2> shift[L];
    Bit negative[L];

    void decode(const UInt<6> (&code)[L]) {
      FPQ_INLINE
      for (int l = 0; l < L; ++l) {
        FPQ_UNROLL
        const UInt<4> significand = e2m3_significand(UInt<5>(code[l] & 31));
        low[l] = UInt<2>(significand & 3);
        high[l] = UInt<2>(significand >> 2);
        shift[l] = e2m3_shift(UInt<5>(code[l] & 31));
        negative[l] = bit_of<6>(code[l], 5);
      }
    }
  };

  // The negative half of dual6 is integers 1 ... 32, index + 1.
  template <int L>
  struct Activations {
    UInt<8> value[L];
    UInt<8> triple[L];
    UInt<2> shift[L];
    Bit negative[L];

    void decode(const UInt<6> (&code)[L], bool dual, bool negative_half) {
      FPQ_INLINE
      for (int l = 0; l < L; ++l) {
        FPQ_UNROLL
        const UInt<5> index = UInt<5>(code[l] & 31);
        const Bit sign = bit_of<6>(code[l], 5);
        const Bit other_half = (sign ^ Bit(negative_half)) & Bit(dual);
        const UInt<8> taken = negative_half ? UInt<8>(UInt<8>(index) + 1) : UInt<8>(e2m3_significand(index));
        value[l] = other_half != 0 ? UInt<8>(0) : taken;
        triple[l] = UInt<8>(value[l] + UInt<8>(value[l] << 1));
        shift[l] = negative_half ? UInt<2>(0) : e2m3_shift(index);
        negative[l] = sign;
      }
    }
  };

  template <int L>
  static void terms(const Activations<L>& a, const Weights<L>& w, bool, Int<kTermBits> (&term)[L]) {
    FPQ_INLINE
    for (int l = 0; l < L; ++l) {
      FPQ_UNROLL
      const UInt<12> magnitude =
          multiply_e2m3(a.value[l], a.triple[l], w.low[l], w.high[l], UInt<3>(UInt<3>(a.shift[l]) + w.shift[l]));
      term[l] = with_sign<12>(magnitude, Bit(a.negative[l] ^ w.negative[l]));
    }
  }
};

// The baselines: two's complement, and the tool's own multiplier.
template <int Bits>
struct IntegerMultiplier {
  static constexpr int kTermBits = 2 * Bits;

  template <int L>
  struct Weights {
    Int<Bits> value[L];

    void decode(const UInt<Bits> (&code)[L]) {
      FPQ_INLINE
      for (int l = 0; l < L; ++l) {
        FPQ_UNROLL
        const UInt<Bits> sign = UInt<Bits>(1u << (Bits - 1));
        value[l] = Int<Bits>(Int<Bits + 1>(code[l] ^ sign) - Int<Bits + 1>(sign));
      }
    }
  };

  template <int L>
  struct Activations : Weights<L> {
    void decode(const UInt<Bits> (&code)[L], bool, bool) {
      FPQ_INLINE
      Weights<L>::decode(code);
    }
  };

  template <int L>
  static void terms(const Activations<L>& a, const Weights<L>& w, bool, Int<kTermBits> (&term)[L]) {
    FPQ_INLINE
    for (int l = 0; l < L; ++l) {
      FPQ_UNROLL
      term[l] = Int<kTermBits>(Int<kTermBits>(a.value[l]) * w.value[l]);
    }
  }
};

template <>
struct Multiplier<spec::Int4Family> : IntegerMultiplier<4> {};
template <>
struct Multiplier<spec::Int8Family> : IntegerMultiplier<8> {};

constexpr int dot_bits(int term_bits, int lanes) {
  return term_bits + log2_floor(lanes);
}

// The sum of L products.
template <class M, int L>
Int<dot_bits(M::kTermBits, L)> dot(const typename M::template Activations<L>& a,
                                   const typename M::template Weights<L>& w, bool negative_half) {
  FPQ_INLINE
  Int<M::kTermBits> term[L];
  M::template terms<L>(a, w, negative_half, term);
  Int<dot_bits(M::kTermBits, L)> sum = 0;
  for (int l = 0; l < L; ++l) {
    FPQ_UNROLL
    sum += term[l];
  }
  return sum;
}

}  // namespace fpq

#endif  // FPQ_PRODUCTS_HPP_
