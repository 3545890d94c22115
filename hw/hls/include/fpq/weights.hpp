// SPDX-License-Identifier: Apache-2.0
// The weight stream: read in one linear burst a row block, then cut into biases, scales and chunks of codes.
#ifndef FPQ_WEIGHTS_HPP_
#define FPQ_WEIGHTS_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/numeric.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/stream.hpp"

namespace fpq {

template <class B>
void load_weights(const std::uint64_t* memory, hls::stream<Piece<B>>& pieces, const Plan plan) {
  // Addresses are multiples of whole pieces, and are written so that the tool sees it and widens the port.
  const std::uint64_t first = plan.w_word / B::kPieceWords;
  const std::uint64_t count = plan.stream_words / B::kPieceWords;
  FPQ_LOOP(LOAD_BLOCKS)
  for (std::uint32_t block = 0; block < plan.row_blocks; ++block) {
    FPQ_TRIPCOUNT(1, 4)
    FPQ_LOOP(LOAD_PIECES)
    for (std::uint64_t i = 0; i < count; ++i) {
      FPQ_PIPELINE(1)
      FPQ_TRIPCOUNT(64, 1 << 20)
      Piece<B> piece;
      for (int w = 0; w < B::kPieceWords; ++w) {
        FPQ_UNROLL
        piece.word[w] = memory[(first + i) * B::kPieceWords + w];
      }
      pieces.write(piece);
    }
  }
}

// Tokens of `TokenWords` words out of pieces, in steps that divide both. Tokens do not begin where pieces do.
template <class B, int TokenWords>
struct Gearbox {
  static constexpr int kStep = gcd(B::kPieceWords, TokenWords);
  static constexpr int kPieceSteps = B::kPieceWords / kStep;
  static constexpr int kTokenSteps = TokenWords / kStep;

  Piece<B> piece;
  std::uint64_t word[TokenWords];
  int piece_step = 0;
  int token_step = 0;

  // Steps of a section with so many tokens, padding included.
  static std::uint32_t steps(std::uint32_t tokens) { return section_words(tokens * TokenWords) / kStep; }

  // Whether a token is complete in `word`. Padding may look like one.
  bool step(hls::stream<Piece<B>>& pieces) {
    FPQ_INLINE
    if (piece_step == 0) piece = pieces.read();
    for (int i = 0; i < kStep; ++i) {
      FPQ_UNROLL
      word[token_step * kStep + i] = piece.word[piece_step * kStep + i];
    }
    piece_step = piece_step + 1 == kPieceSteps ? 0 : piece_step + 1;
    token_step = token_step + 1 == kTokenSteps ? 0 : token_step + 1;
    return token_step == 0;
  }
};

template <class B>
Bias<B> bias_in(const std::uint64_t (&word)[B::kColumns / 2]) {
  FPQ_INLINE
  Bias<B> bias;
  for (int c = 0; c < B::kColumns; ++c) {
    FPQ_UNROLL
    bias.value[c] = float_of(static_cast<std::uint32_t>(word[c / 2] >> (c % 2 * 32)));
  }
  return bias;
}

template <class B>
WeightScales<B> scales_in(const std::uint64_t (&word)[B::kColumns / 4]) {
  FPQ_INLINE
  WeightScales<B> scales;
  for (int c = 0; c < B::kColumns; ++c) {
    FPQ_UNROLL
    scales.half[c] = static_cast<std::uint16_t>(word[c / 4] >> (c % 4 * 16));
  }
  return scales;
}

// 32 codes fill B::kCodeBits / 2 words; FP6 codes may lie across two of them.
template <class B>
WeightChunk<B> codes_in(const std::uint64_t (&word)[B::kChunkWords]) {
  FPQ_INLINE
  constexpr int kSliceWords = B::kCodeBits * kSlice / 64;
  WeightChunk<B> chunk;
  for (int s = 0; s < B::kColumns * B::kChunkSlices; ++s) {
    FPQ_UNROLL
    for (int e = 0; e < kSlice; ++e) {
      FPQ_UNROLL
      const int first = e * B::kCodeBits / 64;
      const int shift = e * B::kCodeBits % 64;
      std::uint64_t bits = word[s * kSliceWords + first] >> shift;
      if (shift + B::kCodeBits > 64) bits |= word[s * kSliceWords + first + 1] << (64 - shift);
      chunk.code[s / B::kChunkSlices][s % B::kChunkSlices * kSlice + e] =
          UInt<B::kCodeBits>(bits & ((1u << B::kCodeBits) - 1));
    }
  }
  return chunk;
}

template <class B>
void unpack_weights(hls::stream<Piece<B>>& pieces, hls::stream<Bias<B>>& biases, hls::stream<WeightScales<B>>& scales,
                    hls::stream<WeightChunk<B>>& chunks, const Plan plan) {
  const std::uint64_t tiles = static_cast<std::uint64_t>(plan.row_blocks) * plan.column_tiles;
  FPQ_LOOP(UNPACK_TILES)
  for (std::uint64_t t = 0; t < tiles; ++t) {
    FPQ_TRIPCOUNT(1, 1024)
    Gearbox<B, B::kColumns / 2> bias_box;
    std::uint32_t left = 1;
    FPQ_LOOP(UNPACK_BIAS)
    for (std::uint32_t i = 0; i < bias_box.steps(1); ++i) {
      FPQ_PIPELINE(1)
      if (bias_box.step(pieces) && left != 0) {
        biases.write(bias_in<B>(bias_box.word));
        --left;
      }
    }

    Gearbox<B, B::kColumns / 4> scale_box;
    left = plan.groups;
    FPQ_LOOP(UNPACK_SCALES)
    for (std::uint32_t i = 0; i < scale_box.steps(plan.groups); ++i) {
      FPQ_PIPELINE(1)
      FPQ_TRIPCOUNT(1, 1024)
      if (scale_box.step(pieces) && left != 0) {
        scales.write(scales_in<B>(scale_box.word));
        --left;
      }
    }

    Gearbox<B, B::kChunkWords> code_box;
    left = plan.chunks;
    FPQ_LOOP(UNPACK_CODES)
    for (std::uint32_t i = 0; i < code_box.steps(plan.chunks); ++i) {
      FPQ_PIPELINE(1)
      FPQ_TRIPCOUNT(1, 8192)
      if (code_box.step(pieces) && left != 0) {
        chunks.write(codes_in<B>(code_box.word));
        --left;
      }
    }
  }
}

}  // namespace fpq

#endif  // FPQ_WEIGHTS_HPP_
