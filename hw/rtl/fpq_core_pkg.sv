// SPDX-License-Identifier: Apache-2.0
// What the engine's units hand to one another.

// verilator lint_off UNUSEDPARAM
package fpq_core_pkg;

  // Sizes that follow from the contract (fpq_accel checks them against fpq_pkg).
  localparam int MaxChunks = 288;    // MaxK / KMultiple: chunks of a row, whatever the lanes
  localparam int ChunkWidth = 9;     // bits of a number of chunks or groups
  localparam int KWidth = 14;        // bits of a row's elements
  localparam int TileWidth = 16;     // bits of a number of row tiles in a block
  localparam int BlockWidth = 24;    // bits of a number of rows in a block
  localparam int SectionWidth = 16;  // bits of a number of beats in a section
  localparam int BytesWidth = 24;    // bits of a column tile's bytes
  localparam int RowBytesWidth = 15; // bits of a row's bytes

  // A command's index modulo 2**TagWidth. At most half as many commands are under way, so tags are never confused.
  localparam int TagWidth = 4;
  localparam int WindowLog2 = 3;

  // Column tiles' bias entries in a bank.
  localparam int BiasWidth = fpq_bank_pkg::BiasWidth;

  // Read X: rows, then what the prologue makes of them.
  typedef struct packed {
    logic [63:0] address;
    logic [31:0] stride;
    logic [31:0] m;
    logic [KWidth-1:0] k;
    logic [KWidth-1:0] group;
    logic [ChunkWidth-1:0] chunks;
    logic ght;
    logic dual;
    logic fence;
    logic [TagWidth-1:0] tag;
  } x_job_t;

  // Read W: column tiles, once a row block.
  typedef struct packed {
    logic [63:0] address;
    logic [31:0] m;
    logic [31:0] n;
    logic [BlockWidth-1:0] block_rows;
    logic [BytesWidth-1:0] tile_span;  // its bytes, less 1; the low bits, always ones, left 0
    logic [SectionWidth-1:0] scale_beats;
    logic [ChunkWidth-1:0] chunks;
    logic [ChunkWidth-1:0] groups;
    logic [TagWidth-1:0] tag;
  } w_job_t;

  // Multiply.
  typedef struct packed {
    logic [31:0] m;
    logic [31:0] n;
    logic [BlockWidth-1:0] block_rows;
    logic [TileWidth-1:0] row_tiles;
    logic [ChunkWidth-1:0] chunks;
    logic [ChunkWidth-1:0] groups;
    logic [ChunkWidth-1:0] group_chunks;  // of every group but the last
    logic [ChunkWidth-1:0] last_chunks;   // of the last group
    logic dual;
  } issue_job_t;

  // Write Y. A nop only keeps its place in the order.
  typedef struct packed {
    logic nop;
    logic [63:0] address;
    logic [31:0] stride;
    logic [31:0] m;
    logic [31:0] n;
    logic [BlockWidth-1:0] block_rows;
    logic [TagWidth-1:0] tag;
  } store_job_t;

  // One column tile on its way through a W loader.
  typedef struct packed {
    logic absent;  // the bank has no tile in this set: only its place in the rings is taken
    logic [SectionWidth-1:0] scale_beats;
    logic [ChunkWidth-1:0] chunks;
    logic [ChunkWidth-1:0] groups;
    logic [BiasWidth-1:0] bias;
    logic [TagWidth-1:0] tag;
  } w_tile_t;

  // Widest addresses and numbers of the buffers and slots; a build uses the low bits of them.
  localparam int ActAddrWidth = 16;
  localparam int RingAddrWidth = 10;
  localparam int SlotWidth = 6;
  localparam int MaxBanks = 4;

  // So many chunks may a bank's weights be ahead. Of the longest rows, two column tiles of four-bit codes, whose groups are
  // so short that sets take turns, and as much beside them.
  function automatic int ring_depth(fpq_pkg::family_e family);
    return fpq_pkg::format_bits(fpq_pkg::family_weights(family)) == 4 ? 1024 : 512;
  endfunction

  // Some row tiles by one set of column tiles, or by two: what fits half of the accumulator slots. Fields are the first set's.
  typedef struct packed {
    logic [SlotWidth-1:0] tiles;            // row tiles
    logic pair;                             // by two sets, group by group in turn
    logic half;                             // which half of the slots
    logic [ActAddrWidth-1:0] act_addr;      // first chunk of the first row tile
    logic [RingAddrWidth-1:0] chunk_addr;   // first chunk of the column tiles
    logic [RingAddrWidth-1:0] scale_addr;   // their first group's scales
    logic [BiasWidth-1:0] bias;
    logic [MaxBanks-1:0] mask;              // banks that have a column tile
    logic first;                            // of the set: weights may still be on their way
    logic last;                             // of the set: weights are used for the last time
    logic first_set;                        // of the job: row tiles may still be on their way
    logic last_set;                         // of the job: row tiles are used for the last time
    logic dual;
    logic [ChunkWidth-1:0] chunks;
    logic [ChunkWidth-1:0] groups;
    logic [ChunkWidth-1:0] group_chunks;
    logic [ChunkWidth-1:0] last_chunks;
  } super_t;

  // One group of one row tile, for one sign if the format is dual: the unit of the banks' sums.
  typedef struct packed {
    logic [SlotWidth-1:0] slot;
    logic [ActAddrWidth-1:0] act_addr;
    logic [RingAddrWidth-1:0] chunk_addr;
    logic [RingAddrWidth-1:0] scale_addr;
    logic [ChunkWidth-1:0] length;          // chunks
    logic [BiasWidth-1:0] bias;
    logic [MaxBanks-1:0] mask;
    logic dual;
    logic negative;
    logic tile_first;                       // first of its tile
    logic tile_last;
    logic wait_tile;                        // the row tile may still be on its way
    logic wait_chunks;                      // the weights may still be on their way
    logic take_chunks;                      // they are taken, one by one; else all of them were
    logic take_tile;                        // before this run a whole column tile's are
    logic free_chunks;                      // the weights are not needed again
    logic free_behind;                      // with this run a whole column tile's are not
    logic free_tile;                        // with this run the row tile is not needed again
    logic free_set;                         // with this run the set's scales are not needed again
    logic [ChunkWidth-1:0] tile_chunks;     // of the row tile
    logic [ChunkWidth-1:0] groups;
  } run_t;

  localparam int RowSpanWidth = 10;  // bits of a row segment's bytes, plus those of a beat

  // One row of a set of column tiles on its way out. Its pieces come from the banks whether they are kept or not.
  typedef struct packed {
    logic [63:0] addr;
    logic [RowSpanWidth-1:0] bytes;        // that are kept, from the first column on
    logic keep;                            // the row exists
    logic [MaxBanks-1:0] banks;            // that have a column tile
    logic set_last;                        // nothing more of this set comes
    logic command_last;                    // the last row of the command that is kept
    logic [TagWidth-1:0] tag;
  } row_t;

endpackage
// verilator lint_on UNUSEDPARAM
