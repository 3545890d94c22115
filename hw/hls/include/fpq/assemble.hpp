// SPDX-License-Identifier: Apache-2.0
// From rows to row tiles: code slices come a row at a time, the array takes a chunk of all rows of a tile at a time.
#ifndef FPQ_ASSEMBLE_HPP_
#define FPQ_ASSEMBLE_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/stream.hpp"

namespace fpq {

// The codes of one row tile. Each row is a memory of its own, so that a whole chunk is read in a cycle.
template <class B>
struct RowTile {
  UInt<B::kCodeBits> code[B::kRows][B::kMaxChunks][B::kChunkSlices][kSlice];
  Scale scale[B::kRows][B::kMaxGroups];
};

template <class B>
void fill_row(RowTile<B>& tile, std::uint32_t row, hls::stream<CodeSlice<B>>& slices, hls::stream<Scale>& scales,
              const Plan& plan) {
  GroupWalk walk(plan.slices, plan.group_slices);
  std::uint32_t chunk = 0;
  std::uint32_t part = 0;  // slice of the chunk
  FPQ_LOOP(FILL_ROW)
  for (std::uint32_t i = 0; i < plan.slices; ++i) {
    FPQ_PIPELINE(1)
    FPQ_TRIPCOUNT(1, kMaxSlices)
    if (walk.first_of_group()) tile.scale[row][walk.group] = scales.read();
    const CodeSlice<B> slice = slices.read();
    for (int p = 0; p < B::kChunkSlices; ++p) {
      FPQ_UNROLL
      // The first slice of a chunk clears the others: a group's last chunk may be short.
      const bool here = part == static_cast<std::uint32_t>(p);
      for (int e = 0; e < kSlice; ++e) {
        FPQ_UNROLL
        if (here || part == 0) tile.code[row][chunk][p][e] = here ? slice.code[e] : UInt<B::kCodeBits>(0);
      }
    }
    const bool chunk_ends = part + 1 == B::kChunkSlices || walk.last_of_group();
    part = chunk_ends ? 0 : part + 1;
    chunk += chunk_ends ? 1 : 0;
    walk.next();
  }
}

// Rows beyond M are zero. A group's scales go before its chunks.
template <class B>
void drain_tile(const RowTile<B>& tile, std::uint32_t rows, hls::stream<ActChunk<B>>& chunks,
                hls::stream<ActScales<B>>& scales, const Plan& plan) {
  GroupWalk walk(plan.chunks, plan.group_chunks);
  FPQ_LOOP(DRAIN_TILE)
  for (std::uint32_t i = 0; i < plan.chunks; ++i) {
    FPQ_PIPELINE(1)
    FPQ_TRIPCOUNT(1, kMaxSlices)
    ActScales<B> group_scales;
    ActChunk<B> chunk;
    for (std::uint32_t r = 0; r < B::kRows; ++r) {
      FPQ_UNROLL
      for (int h = 0; h < B::kHalves; ++h) {
        FPQ_UNROLL
        group_scales.half[h][r] = r < rows ? tile.scale[r][walk.group].half[h] : std::uint16_t{0};
      }
      for (int l = 0; l < B::kLanes; ++l) {
        FPQ_UNROLL
        chunk.code[r][l] = r < rows ? tile.code[r][i][l / kSlice][l % kSlice] : UInt<B::kCodeBits>(0);
      }
    }
    if (walk.first_of_group()) scales.write(group_scales);
    chunks.write(chunk);
    walk.next();
  }
}

template <class B>
void assemble(hls::stream<CodeSlice<B>>& slices, hls::stream<Scale>& scales_in, hls::stream<ActChunk<B>>& chunks,
              hls::stream<ActScales<B>>& scales_out, const Plan plan) {
  RowTile<B> tile;
  FPQ_PARTITION(tile.code, 1)
  FPQ_RESHAPE(tile.code, 4)
  FPQ_PARTITION(tile.code, 3)
  FPQ_STORAGE(tile.code, bram)
  FPQ_PARTITION(tile.scale, 1)
  std::uint32_t left = plan.m;
  FPQ_LOOP(ASSEMBLE)
  for (std::uint32_t t = 0; t < plan.row_tiles; ++t) {
    FPQ_TRIPCOUNT(1, 256)
    const std::uint32_t rows = smaller<std::uint32_t>(B::kRows, left);
    for (std::uint32_t r = 0; r < rows; ++r) {
      FPQ_TRIPCOUNT(1, B::kRows)
      fill_row<B>(tile, r, slices, scales_in, plan);
    }
    drain_tile<B>(tile, rows, chunks, scales_out, plan);
    left -= rows;
  }
}

}  // namespace fpq

#endif  // FPQ_ASSEMBLE_HPP_
