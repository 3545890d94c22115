// SPDX-License-Identifier: Apache-2.0
// From integer sums to Y (contract section 1.5): scale, accumulate, bias, FP16, store.
#ifndef FPQ_EPILOGUE_HPP_
#define FPQ_EPILOGUE_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/numeric.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/quantizer.hpp"
#include "fpq/stream.hpp"

namespace fpq {

// s_a * s_w * 2^unit, exactly: a product of two 11-bit integers and a sum of exponents.
inline float scale_product(std::uint16_t a, std::uint16_t w, int unit) {
  FPQ_INLINE
  const HalfParts pa = split_half(a);
  const HalfParts pw = split_half(w);
  const std::uint32_t significand =
      static_cast<std::uint32_t>(pa.significand) * static_cast<std::uint32_t>(pw.significand);
  const int exponent = static_cast<int>(pa.exponent) + static_cast<int>(pw.exponent) - 50 + unit;
  return float_of(fixed_to_float(significand, exponent));
}

// t = fp32(p) * (s_a * s_w * unit); acc = acc + t, each rounded once.
inline float accumulate(float acc, std::int32_t sum, float scale) {
  FPQ_INLINE
  const float term = static_cast<float>(sum) * scale;
  return acc + term;
}

// Like the codes, the first use of scales comes from their stream and fills a buffer. kScaleSteps cycles for the sums
// of a group; an accumulator comes round again after as many, which hides the latency of the addition.
template <class B>
void scale_sums(hls::stream<Sums<B>>& sums_in, hls::stream<ActScales<B>>& a_in, hls::stream<WeightScales<B>>& w_in,
                hls::stream<Accumulators<B>>& out, const Plan plan) {
  using Formats = Quantizer<B>;
  constexpr int kWeightUnit = B::Family::Weights::Positive::kUnitLog2;
  constexpr int kUnit[2] = {Formats::Positive::kUnitLog2 + kWeightUnit, Formats::Negative::kUnitLog2 + kWeightUnit};

  ActScales<B> a_buffer[B::kActDepth];
  FPQ_WORD(a_buffer)
  FPQ_STORAGE(a_buffer, FPQ_ACT_MEMORY)
  WeightScales<B> w_buffer[B::kMaxGroups];
  FPQ_WORD(w_buffer)
  FPQ_STORAGE(w_buffer, bram)

  TileWalk tile(plan);
  std::uint32_t a_place = 0;
  std::uint32_t group = 0;
  int half = 0;
  int part = 0;
  const int halves = plan.dual ? B::kHalves : 1;
  const std::uint64_t steps = plan.tiles * plan.groups * static_cast<std::uint32_t>(halves * B::kScaleSteps);
  Sums<B> sums;
  ActScales<B> a;
  WeightScales<B> w;
  Accumulators<B> acc;
  FPQ_REGISTERS(acc.value)
  FPQ_LOOP(SCALE_SUMS)
  for (std::uint64_t step = 0; step < steps; ++step) {
    FPQ_PIPELINE(1)
    FPQ_TRIPCOUNT(1, 1 << 24)
    if (part == 0 && half == 0) {
      if (tile.column_tile == 0) {
        a = a_in.read();
        a_buffer[a_place] = a;
      } else {
        a = a_buffer[a_place];
      }
      if (tile.row_tile == 0) {
        w = w_in.read();
        w_buffer[group] = w;
      } else {
        w = w_buffer[group];
      }
    }
    if (part == 0) sums = sums_in.read();
    const bool fresh = group == 0 && half == 0;
    for (int i = 0; i < B::kScaleRows; ++i) {
      FPQ_UNROLL
      const int r = part * B::kScaleRows + i;
      for (int c = 0; c < B::kColumns; ++c) {
        FPQ_UNROLL
        const float scale = scale_product(a.half[half][r], w.half[c], kUnit[half]);
        const float before = fresh ? 0.0f : acc.value[r][c];
        acc.value[r][c] = accumulate(before, static_cast<std::int32_t>(sums.value[r][c]), scale);
      }
    }

    const bool sums_end = part == B::kScaleSteps - 1;
    const bool group_ends = sums_end && half == halves - 1;
    const bool tile_ends = group_ends && group + 1 == plan.groups;
    if (tile_ends) out.write(acc);
    part = sums_end ? 0 : part + 1;
    half = group_ends ? 0 : sums_end ? half + 1 : half;
    if (group_ends) {
      a_place = tile_ends && tile.last_row_tile() ? 0 : a_place + 1;
      group = tile_ends ? 0 : group + 1;
      if (tile_ends) tile.next(plan);
    }
  }
}

// Bias and FP16. What lies beyond M or N raises no flag.
template <class B>
void finish_tiles(hls::stream<Accumulators<B>>& in, hls::stream<Bias<B>>& biases, hls::stream<OutputTile<B>>& out,
                  bool& overflow, const Plan plan) {
  TileWalk tile(plan);
  Bias<B> bias;
  bool seen = false;
  FPQ_LOOP(FINISH_TILES)
  for (std::uint64_t t = 0; t < plan.tiles; ++t) {
    FPQ_PIPELINE(B::kRows)
    FPQ_TRIPCOUNT(1, 1 << 20)
    if (tile.row_tile == 0) bias = biases.read();
    const Accumulators<B> acc = in.read();
    const std::uint32_t rows = tile.rows<B>(plan);
    const std::uint32_t columns = tile.columns<B>(plan);
    OutputTile<B> y;
    for (std::uint32_t r = 0; r < B::kRows; ++r) {
      FPQ_UNROLL
      for (std::uint32_t c = 0; c < B::kColumns; ++c) {
        FPQ_UNROLL
        bool saturated = false;
        const float value = acc.value[r][c] + bias.value[c];
        y.half[r][c] = float_to_half(bits_of(value), saturated);
        if (saturated && r < rows && c < columns) seen = true;
      }
    }
    out.write(y);
    tile.next(plan);
  }
  overflow = seen;
}

// The rows of a tile, four elements a word. Bytes outside of M x N are not touched.
template <class B>
void store_tiles(hls::stream<OutputTile<B>>& in, std::uint64_t* memory, const Plan plan) {
  TileWalk tile(plan);
  FPQ_LOOP(STORE_TILES)
  for (std::uint64_t t = 0; t < plan.tiles; ++t) {
    FPQ_TRIPCOUNT(1, 1 << 20)
    const OutputTile<B> y = in.read();
    const std::uint32_t rows = tile.rows<B>(plan);
    const std::uint32_t words = tile.columns<B>(plan) / 4;
    const std::uint32_t first_row = (tile.first_row_tile + tile.row_tile) * B::kRows;
    const std::uint64_t column_word = static_cast<std::uint64_t>(tile.column_tile) * (B::kColumns / 4);
    FPQ_LOOP(STORE_ROWS)
    for (std::uint32_t r = 0; r < rows; ++r) {
      FPQ_TRIPCOUNT(1, B::kRows)
      const std::uint64_t row_word =
          plan.y_word + static_cast<std::uint64_t>(first_row + r) * plan.y_stride + column_word;
      FPQ_LOOP(STORE_ROW)
      for (std::uint32_t w = 0; w < words; ++w) {
        FPQ_PIPELINE(1)
        FPQ_TRIPCOUNT(1, B::kColumns / 4)
        std::uint64_t word = 0;
        for (int e = 0; e < 4; ++e) {
          FPQ_UNROLL
          word |= static_cast<std::uint64_t>(y.half[r][4 * w + e]) << (16 * e);
        }
        memory[row_word + w] = word;
      }
    }
    tile.next(plan);
  }
}

}  // namespace fpq

#endif  // FPQ_EPILOGUE_HPP_
