// SPDX-License-Identifier: Apache-2.0
// What the processes need to know of a GEMM command, worked out once, and the order in which they walk its tiles.
#ifndef FPQ_PLAN_HPP_
#define FPQ_PLAN_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/command.hpp"

namespace fpq {

// Each process gets a copy. The command has passed `check`.
struct Plan {
  bool ght;
  bool dual;
  std::uint32_t m;
  std::uint32_t n;
  std::uint64_t x_word;  // addresses and strides in 64-bit words
  std::uint64_t w_word;
  std::uint64_t y_word;
  std::uint32_t x_stride;
  std::uint32_t y_stride;

  std::uint32_t slices;        // of a row
  std::uint32_t group_slices;  // of a group; the last one may have fewer
  std::uint32_t groups;
  std::uint32_t chunks;        // of a row
  std::uint32_t group_chunks;  // of a group; the last one may have fewer

  std::uint32_t row_tiles;        // of the command
  std::uint32_t block_row_tiles;  // of a row block; the last one may have fewer
  std::uint32_t row_blocks;
  std::uint32_t column_tiles;
  std::uint64_t tiles;         // row tiles x column tiles
  std::uint64_t stream_words;  // of W; a row block reads it once
};

// Words of a section of the weight stream.
constexpr std::uint32_t section_words(std::uint32_t words) {
  return ceil_divide(words, spec::kSectionBytes / 8) * (spec::kSectionBytes / 8);
}

template <class B>
Plan make_plan(const Command& c) {
  Plan plan;
  plan.ght = (c.flags() & spec::kCommandFlagGht) != 0;
  plan.dual = c.a_format() != static_cast<std::uint8_t>(B::Family::Plain::kId);
  plan.m = c.m();
  plan.n = c.n();
  plan.x_word = c.x_address() / 8;
  plan.w_word = c.w_address() / 8;
  plan.y_word = c.y_address() / 8;
  plan.x_stride = c.x_stride() / 8;
  plan.y_stride = c.y_stride() / 8;

  const std::uint32_t group = smaller(c.group(), c.k());
  plan.slices = c.k() / kSlice;
  plan.group_slices = group / kSlice;
  plan.groups = ceil_divide(plan.slices, plan.group_slices);
  plan.chunks = static_cast<std::uint32_t>(chunks_of<B>(c.k(), group));
  plan.group_chunks = ceil_divide(group, B::kLanes);

  plan.row_tiles = ceil_divide(c.m(), B::kRows);
  plan.block_row_tiles = smaller(c.row_tiles(), plan.row_tiles);
  plan.row_blocks = ceil_divide(plan.row_tiles, plan.block_row_tiles);
  plan.column_tiles = ceil_divide(c.n(), B::kColumns);
  plan.tiles = static_cast<std::uint64_t>(plan.row_tiles) * plan.column_tiles;
  const std::uint32_t tile_words = section_words(B::kColumns / 2) + section_words(plan.groups * (B::kColumns / 4)) +
                                   section_words(plan.chunks * B::kChunkWords);
  plan.stream_words = static_cast<std::uint64_t>(plan.column_tiles) * tile_words;
  return plan;
}

// Walks the tiles of Y in the order of computation: row blocks, in each the column tiles, in each the row tiles. So a
// column tile's weights are used for a whole row block, and the block's activations for every column tile.
struct TileWalk {
  std::uint32_t first_row_tile;  // of the row block
  std::uint32_t block_tiles;     // row tiles of the row block
  std::uint32_t column_tile;
  std::uint32_t row_tile;  // within the row block

  explicit TileWalk(const Plan& plan)
      : first_row_tile(0), block_tiles(plan.block_row_tiles), column_tile(0), row_tile(0) {}

  bool last_row_tile() const { return row_tile + 1 == block_tiles; }

  void next(const Plan& plan) {
    if (!last_row_tile()) {
      ++row_tile;
      return;
    }
    row_tile = 0;
    if (column_tile + 1 != plan.column_tiles) {
      ++column_tile;
      return;
    }
    column_tile = 0;
    first_row_tile += block_tiles;
    block_tiles = smaller(plan.block_row_tiles, plan.row_tiles - first_row_tile);
  }

  // Rows and columns of the tile that exist.
  template <class B>
  std::uint32_t rows(const Plan& plan) const {
    return smaller<std::uint32_t>(B::kRows, plan.m - (first_row_tile + row_tile) * B::kRows);
  }
  template <class B>
  std::uint32_t columns(const Plan& plan) const {
    return smaller<std::uint32_t>(B::kColumns, plan.n - column_tile * B::kColumns);
  }
};

// Walks the units (slices or chunks) of a row, group by group, then of the next row.
struct GroupWalk {
  std::uint32_t row_units;
  std::uint32_t group_units;
  std::uint32_t unit;   // within the row
  std::uint32_t group;  // within the row
  std::uint32_t place;  // within the group

  GroupWalk(std::uint32_t units_of_row, std::uint32_t units_of_group)
      : row_units(units_of_row), group_units(units_of_group), unit(0), group(0), place(0) {}

  bool first_of_group() const { return place == 0; }
  bool last_of_row() const { return unit + 1 == row_units; }
  bool last_of_group() const { return place + 1 == group_units || last_of_row(); }

  void next() {
    const bool row_ends = last_of_row();
    const bool group_ends = last_of_group();
    unit = row_ends ? 0 : unit + 1;
    group = row_ends ? 0 : group_ends ? group + 1 : group;
    place = group_ends ? 0 : place + 1;
  }
};

}  // namespace fpq

#endif  // FPQ_PLAN_HPP_
