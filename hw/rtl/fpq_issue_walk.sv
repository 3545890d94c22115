// SPDX-License-Identifier: Apache-2.0
// Cuts jobs into super-tiles, in the order of docs/rtl.md: row blocks, sets of column tiles, some row tiles at a time. Where
// the passes of a dual format would wait for the accumulators of so few row tiles, two sets make one super-tile.

`include "fpq_assert.svh"

module fpq_issue_walk
  import fpq_core_pkg::*;
#(
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Banks = 1,
  parameter int Slots = 16,
  parameter int ChunkDepth = 512  // of the banks' rings
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       job_valid_i,
  output logic       job_ready_o,
  input  issue_job_t job_i,
  output logic       super_valid_o,
  input  logic       super_ready_i,
  output super_t     super_o
);

  localparam int RowLog2 = $clog2(Rows);
  localparam logic [TileWidth-1:0] Half = TileWidth'(Slots / 2);
  localparam int SetColumns = Banks * Columns;
  localparam int MissBits = $clog2(SetColumns + 1);
  localparam int MostTiles = Slots / 4;  // of which two sets have slots enough

  typedef enum logic [2:0] {
    Idle,
    Block,  // how many row tiles?
    Set,    // which banks have a column tile?
    Split,  // how many row tiles now?
    Offer,
    Step,   // one row tile further, until all of the super-tile are passed
    Next
  } state_e;

  state_e state_q;
  issue_job_t job_q;
  logic [31:0] rows_q;                          // left, this block's included
  logic [32:0] after_q;                         // columns after this set, less 1: the sign tells of the last
  logic [TileWidth-1:0] tiles_q;                // row tiles of the block
  logic [TileWidth-1:0] left_q;                 // row tiles of the set that are left
  logic [SlotWidth-1:0] some_q;                 // row tiles of the super-tile
  logic [SlotWidth:0] pass_q;                   // those to pass, this one included, less 2: the sign tells of the last
  logic [ActAddrWidth-1:0] block_q, act_q;      // first chunk of the block, of the super-tile
  logic [RingAddrWidth-1:0] chunk_q, scale_q;
  logic [BiasWidth-1:0] bias_q;
  logic [MaxBanks-1:0] mask_q;
  logic half_q, first_q, first_set_q, last_set_q, last_q, last_block_q;
  logic pair_q;                                 // this set and the next
  logic [MostTiles:0] short_job_q;              // so many row tiles' pass is shorter than an accumulator's way
  logic short_q, both_q, both_last_q;           // the block's does; there are two whole sets; no third
  logic [31:0] block_tiles;  // if it is the last block
  // What Split asks of the row tiles that are left, a cycle ahead: no more than half of the slots; fewer than all; a half of them.
  logic [TileWidth-1:0] left;
  logic few_q, fits_q;
  logic [SlotWidth-1:0] halved_q;

  assign job_ready_o = state_q == Idle;
  assign super_valid_o = state_q == Offer;
  assign super_o = '{
    tiles: some_q, pair: pair_q, half: half_q, act_addr: act_q, chunk_addr: chunk_q, scale_addr: scale_q, bias: bias_q,
    mask: mask_q, first: first_q, last: last_q, first_set: first_set_q, last_set: last_set_q, dual: job_q.dual,
    chunks: job_q.chunks, groups: job_q.groups, group_chunks: job_q.group_chunks, last_chunks: job_q.last_chunks
  };

  assign left = state_q == Set ? tiles_q : left_q;
  assign block_tiles = (rows_q + 32'(Rows - 1)) >> RowLog2;

  always_ff @(posedge clk_i) begin
    few_q    <= left <= Half;
    fits_q   <= left < 2 * Half;
    halved_q <= SlotWidth'((left + 1'b1) >> 1);
    // Of the job, then of the block.
    short_job_q[0] <= 1'b0;
    for (int t = 1; t <= MostTiles; t++) begin
      short_job_q[t] <= job_q.dual && {1'b0, job_q.chunks, 1'b0} <= (ChunkWidth + 2)'(ChunkDepth)
                        && job_q.group_chunks < ChunkWidth'((fpq_bank_pkg::SlotSpacing + t - 1) / t);
    end
    short_q <= 1'b0;
    for (int t = 1; t <= MostTiles; t++) if (tiles_q == TileWidth'(t)) short_q <= short_job_q[t];
    if (!rst_ni) begin
      state_q <= Idle;
      block_q <= '0;
      chunk_q <= '0;
      scale_q <= '0;
      bias_q  <= '0;
      half_q  <= 1'b0;
    end else begin
      unique case (state_q)
        Idle: begin
          if (job_valid_i) state_q <= Block;
          job_q  <= job_i;
          rows_q <= job_i.m;
        end
        Block: begin
          state_q <= Set;
          last_block_q <= rows_q <= 32'(job_q.block_rows);
          tiles_q <= rows_q <= 32'(job_q.block_rows) ? TileWidth'(block_tiles) : job_q.row_tiles;
          after_q <= {1'b0, job_q.n} - 33'(SetColumns + 1);
          first_set_q <= 1'b1;
        end
        Set: begin
          state_q <= Split;
          // In the last set after_q is what is missing, below 0.
          for (int p = 0; p < MaxBanks; p++) begin
            mask_q[p] <= p < Banks
                         && (!after_q[32]
                             || $signed(after_q[MissBits:0]) >= $signed((MissBits + 1)'(p * Columns - SetColumns)));
          end
          last_set_q  <= after_q[32];
          both_q      <= !after_q[32] && (after_q[31:MissBits] != '0
                                          || after_q[MissBits-1:0] >= MissBits'(SetColumns - 1));
          both_last_q <= after_q == 33'(SetColumns - 1);
          left_q  <= tiles_q;
          act_q   <= block_q;
          first_q <= 1'b1;
        end
        Split: begin
          // Between half of the slots and all of them are halved, so that no super-tile is short.
          state_q <= Offer;
          last_q  <= few_q;
          pair_q  <= short_q & both_q;
          if (short_q & both_q) last_set_q <= both_last_q;
          some_q  <= few_q ? SlotWidth'(left_q) : fits_q ? halved_q : SlotWidth'(Half);
        end
        Offer: begin
          pass_q <= {1'b0, some_q} - (SlotWidth + 1)'(2);
          if (super_ready_i) begin
            state_q <= Step;
            half_q  <= ~half_q;
            first_q <= 1'b0;
            left_q  <= left_q - TileWidth'(some_q);
          end
        end
        Step: begin
          act_q <= act_q + ActAddrWidth'(job_q.chunks);
          pass_q <= pass_q - 1'b1;
          if (pass_q[SlotWidth]) state_q <= last_q ? Next : Split;
        end
        Next: begin
          chunk_q <= chunk_q + RingAddrWidth'(job_q.chunks);
          scale_q <= scale_q + RingAddrWidth'(job_q.groups);
          bias_q  <= bias_q + 1'b1;
          first_set_q <= 1'b0;
          after_q <= after_q - 33'(SetColumns);
          pair_q    <= 1'b0;
          if (pair_q) begin
            state_q <= Next;  // twice
          end else if (!last_set_q) begin
            state_q <= Set;
          end else begin
            state_q <= last_block_q ? Idle : Block;
            rows_q  <= rows_q - 32'(job_q.block_rows);
            block_q <= act_q;
          end
        end
        default: state_q <= Idle;
      endcase
    end
  end

  logic unused;
  assign unused = ^{job_q.m, block_tiles[31:TileWidth]};

  `FPQ_ASSERT_STABLE(SuperStable, super_valid_o, super_ready_i, super_o)
  `FPQ_ASSERT(SomeTiles, !super_valid_o || (some_q != '0 && TileWidth'(some_q) <= Half))

endmodule
