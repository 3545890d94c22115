// SPDX-License-Identifier: Apache-2.0
// One GEMM command as a dataflow region: eleven processes that run at the same time, tied together by FIFOs alone.
//
//   X ─▶ load ─▶ gather ─▶ transform ─▶ split ─▶ measure ─▶ quantize ─▶ assemble ─┬▶ multiply ─▶ scale ─▶ finish ─▶
//   store ─▶ Y W ─▶ load ─▶ unpack ──────────────── chunks, scales, biases ─────────────────┘
//
// Every process passes its tokens on in the order of the walk in plan.hpp. Two FIFOs have a least depth, below which
// the region would hang: row and w_scales. The others only need one token, and are deeper to keep the processes apart.
#ifndef FPQ_GEMM_HPP_
#define FPQ_GEMM_HPP_

#include <cstdint>

#include "fpq/assemble.hpp"
#include "fpq/build.hpp"
#include "fpq/epilogue.hpp"
#include "fpq/hadamard.hpp"
#include "fpq/load.hpp"
#include "fpq/multiply.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/quantizer.hpp"
#include "fpq/stream.hpp"
#include "fpq/weights.hpp"

namespace fpq {

// `measure` sends a row's scale after its slices, `quantize` wants it before them.
constexpr int kRowDepth = 512;
static_assert(kRowDepth >= kMaxSlices, "the longest row waits here for its scale");

// All scales of a column tile stand before its codes in memory, and are used one by one with them. With room for the
// whole next tile behind, its weights are read while this one is computed.
constexpr int kTileDepth = kMaxSlices;
constexpr int kShort = 4;
constexpr int kLong = 32;    // what a shift register in LUTs holds
constexpr int kBurst = 512;  // pieces on their way from memory

template <class B>
void gemm(const std::uint64_t* x_memory, const std::uint64_t* w_memory, std::uint64_t* y_memory, const Plan plan,
          bool& nonfinite, bool& overflow) {
  FPQ_DATAFLOW
  FPQ_REGION("gemm");
  hls::stream<Line, kLong> lines("lines");
  hls::stream<HalfBlock, kShort> blocks("blocks");
  hls::stream<ValueBlock, kShort> transformed("transformed");
  hls::stream<ValueSlice, kShort> slices("slices");
  hls::stream<ValueSlice, kRowDepth> row("row");
  FPQ_FIFO(row, bram)
  hls::stream<Scale, kLong> measured_scales("measured_scales");
  hls::stream<Scale, kLong> row_scales("row_scales");
  hls::stream<CodeSlice<B>, kLong> codes("codes");
  hls::stream<ActChunk<B>, kLong> a_chunks("a_chunks");
  hls::stream<ActScales<B>, kLong> a_scales("a_scales");

  hls::stream<Piece<B>, kBurst> pieces("pieces");
  FPQ_FIFO(pieces, bram)
  hls::stream<Bias<B>, kShort> biases("biases");
  hls::stream<WeightScales<B>, kTileDepth> w_scales("w_scales");
  FPQ_FIFO(w_scales, bram)
  hls::stream<WeightChunk<B>, kTileDepth> w_chunks("w_chunks");
  FPQ_FIFO(w_chunks, bram)

  hls::stream<Sums<B>, kLong> sums("sums");
  hls::stream<Accumulators<B>, kShort> accumulators("accumulators");
  hls::stream<OutputTile<B>, kShort> outputs("outputs");

  FPQ_PROCESS(load_activations<B>(x_memory, lines, plan));
  FPQ_PROCESS(gather_blocks<B>(lines, blocks, nonfinite, plan));
  FPQ_PROCESS(transform_blocks<B>(blocks, transformed, plan));
  FPQ_PROCESS(split_blocks<B>(transformed, slices, plan));
  FPQ_PROCESS(measure_groups<B>(slices, row, measured_scales, plan));
  FPQ_PROCESS(quantize<B>(row, measured_scales, codes, row_scales, plan));
  FPQ_PROCESS(assemble<B>(codes, row_scales, a_chunks, a_scales, plan));
  FPQ_PROCESS(load_weights<B>(w_memory, pieces, plan));
  FPQ_PROCESS(unpack_weights<B>(pieces, biases, w_scales, w_chunks, plan));
  FPQ_PROCESS(multiply<B>(a_chunks, w_chunks, sums, plan));
  FPQ_PROCESS(scale_sums<B>(sums, a_scales, w_scales, accumulators, plan));
  FPQ_PROCESS(finish_tiles<B>(accumulators, biases, outputs, overflow, plan));
  FPQ_PROCESS(store_tiles<B>(outputs, y_memory, plan));
  FPQ_RUN_REGION;
}

}  // namespace fpq

#endif  // FPQ_GEMM_HPP_
