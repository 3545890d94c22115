// SPDX-License-Identifier: Apache-2.0
// The array: R x C dot products of L lanes a cycle. It owns the activation buffer (a row block) and the weight buffer
// (a column tile). The first use of a chunk comes from its stream and fills the buffer, later uses read the buffer; so
// the array starts with the first chunk that arrives, and loading costs no time of its own.
#ifndef FPQ_MULTIPLY_HPP_
#define FPQ_MULTIPLY_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/products.hpp"
#include "fpq/stream.hpp"

namespace fpq {

// sums = products, or += products.
template <class B>
void multiply_chunk(const ActChunk<B>& a, const WeightChunk<B>& w, bool dual, bool negative_half, bool first,
                    Sums<B>& sums) {
  FPQ_INLINE
  using M = Multiplier<typename B::Family>;
  constexpr int L = B::kLanes;
  typename M::template Activations<L> row[B::kRows];
  typename M::template Weights<L> column[B::kColumns];
  for (int r = 0; r < B::kRows; ++r) {
    FPQ_UNROLL
    row[r].decode(a.code[r], dual, negative_half);
  }
  for (int c = 0; c < B::kColumns; ++c) {
    FPQ_UNROLL
    column[c].decode(w.code[c]);
  }
  for (int r = 0; r < B::kRows; ++r) {
    FPQ_UNROLL
    for (int c = 0; c < B::kColumns; ++c) {
      FPQ_UNROLL
      const Int<B::kSumBits> before = first ? Int<B::kSumBits>(0) : sums.value[r][c];
      sums.value[r][c] = Int<B::kSumBits>(before + dot<M, L>(row[r], column[c], negative_half));
    }
  }
}

// One step a cycle: a chunk, and for dual formats twice the same chunk, for the positive and for the negative half.
// A chunk may be read from a buffer in the cycle after it was written there; the write takes no longer than that.
template <class B>
void multiply(hls::stream<ActChunk<B>>& a_in, hls::stream<WeightChunk<B>>& w_in, hls::stream<Sums<B>>& sums_out,
              const Plan plan) {
  ActChunk<B> a_buffer[B::kActDepth];
  FPQ_WORD(a_buffer)
  FPQ_STORAGE(a_buffer, FPQ_ACT_MEMORY)
  WeightChunk<B> w_buffer[B::kMaxChunks];
  FPQ_WORD(w_buffer)
  FPQ_STORAGE(w_buffer, bram)

  TileWalk tile(plan);
  GroupWalk chunk(plan.chunks, plan.group_chunks);
  std::uint32_t a_place = 0;
  std::uint32_t half = 0;
  const std::uint32_t halves = plan.dual ? B::kHalves : 1;
  const std::uint64_t steps = plan.tiles * plan.chunks * halves;
  ActChunk<B> a;
  WeightChunk<B> w;
  Sums<B> sums[B::kHalves];
  FPQ_REGISTERS(sums)
  FPQ_LOOP(MULTIPLY)
  for (std::uint64_t step = 0; step < steps; ++step) {
    FPQ_PIPELINE(1)
    FPQ_TRIPCOUNT(1, 1 << 24)
    if (half == 0) {
      if (tile.column_tile == 0) {
        a = a_in.read();
        a_buffer[a_place] = a;
      } else {
        a = a_buffer[a_place];
      }
      if (tile.row_tile == 0) {
        w = w_in.read();
        w_buffer[chunk.unit] = w;
      } else {
        w = w_buffer[chunk.unit];
      }
    }
    multiply_chunk<B>(a, w, plan.dual, half == 1, chunk.first_of_group(), sums[half]);
    if (chunk.last_of_group()) sums_out.write(sums[half]);

    ++half;
    if (half == halves) {
      half = 0;
      const bool tile_ends = chunk.last_of_row();
      a_place = tile_ends && tile.last_row_tile() ? 0 : a_place + 1;
      if (tile_ends) tile.next(plan);
      chunk.next();
    }
  }
}

}  // namespace fpq

#endif  // FPQ_MULTIPLY_HPP_
