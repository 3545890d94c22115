// SPDX-License-Identifier: Apache-2.0
// Cuts super-tiles into runs, one a cycle: for each group, for each pass (dual formats: positive, then negative), for each
// of its one or two sets of column tiles, for each row tile.

`include "fpq_assert.svh"

module fpq_issue_runs
  import fpq_core_pkg::*;
#(
  parameter int Slots = 16
) (
  input  logic   clk_i,
  input  logic   rst_ni,
  input  logic   super_valid_i,
  output logic   super_ready_o,
  input  super_t super_i,
  input  logic   super_alone_i,  // it has one row tile
  output logic   run_valid_o,
  input  logic   run_ready_i,
  output run_t   run_o
);

  super_t super_q;
  logic valid_q, negative_q, second_q;                       // second_q: of the pair's sets
  logic [SlotWidth-1:0] slot_q;                              // of the half
  logic [SlotWidth-1:0] tiles_q;                             // row tiles of the set's pass from this one on
  logic [ChunkWidth:0] groups_q;                             // groups from this one on, less 2: the sign tells
  logic [ActAddrWidth-1:0] act_q, group_act_q, next_act_q;   // the run's; this and the next group's
  logic [1:0][RingAddrWidth-1:0] chunk_q, scale_q;           // of each set
  // Flags of the run at hand, kept ahead: of a set's first and last row tile, of a pass's and a group's last run, of the
  // first group.
  logic tile_first_q, tile_last_q, alone_q, sets_last_q, group_end_q, group_first_q;
  logic step, pass_last, group_last, super_end, next_tile_last, next_second, next_sets_last, next_negative;

  assign pass_last  = negative_q | ~super_q.dual;
  assign group_last = groups_q[ChunkWidth];
  assign step      = valid_q & run_ready_i;
  assign super_end = group_end_q & group_last;
  assign super_ready_o = ~valid_q | (run_ready_i & super_end);
  assign run_valid_o = valid_q;

  assign next_tile_last = tile_last_q ? alone_q : tiles_q == SlotWidth'(2);
  assign next_second    = super_q.pair & (second_q ^ tile_last_q);
  assign next_sets_last = next_tile_last & (next_second | ~super_q.pair);
  assign next_negative  = sets_last_q ? ~pass_last : negative_q;

  // A pair's second set may be on its way yet, all of the first has come before it. What is used of the second lies behind the
  // first, so its room comes back when both are done.
  always_comb begin
    run_o.slot        = slot_q | (super_q.half ? SlotWidth'(Slots / 2) : '0);
    run_o.act_addr    = act_q;
    run_o.chunk_addr  = chunk_q[second_q];
    run_o.scale_addr  = scale_q[second_q];
    run_o.length      = group_last ? super_q.last_chunks : super_q.group_chunks;
    run_o.bias        = super_q.bias + BiasWidth'(second_q);
    run_o.mask        = super_q.mask;
    run_o.dual        = super_q.dual;
    run_o.negative    = negative_q;
    run_o.tile_first  = group_first_q & ~negative_q;
    run_o.tile_last   = group_last & pass_last;
    run_o.wait_tile   = super_q.first_set & group_first_q & ~negative_q & ~second_q;
    run_o.wait_chunks = super_q.first & tile_first_q & ~negative_q & (second_q | group_first_q | ~super_q.pair);
    run_o.take_chunks = second_q | ~super_q.pair;
    run_o.take_tile   = super_q.pair & tile_first_q & group_first_q & ~negative_q & ~second_q;
    run_o.free_chunks = super_q.last & tile_last_q & pass_last & ~second_q;
    run_o.free_behind = super_q.pair & super_end;
    run_o.free_tile   = super_q.last_set & group_last & pass_last & (second_q | ~super_q.pair);
    run_o.free_set    = super_q.last & group_last & tile_last_q & pass_last;
    run_o.tile_chunks = super_q.chunks;
    run_o.groups      = super_q.groups;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (super_ready_o) valid_q <= super_valid_i;

    if (super_ready_o) begin
      super_q       <= super_i;
      slot_q        <= '0;
      tiles_q       <= super_i.tiles;
      negative_q    <= 1'b0;
      second_q      <= 1'b0;
      act_q         <= super_i.act_addr;
      group_act_q   <= super_i.act_addr;
      next_act_q    <= super_i.act_addr + ActAddrWidth'(super_i.group_chunks);
      chunk_q       <= {super_i.chunk_addr + RingAddrWidth'(super_i.chunks), super_i.chunk_addr};
      scale_q       <= {super_i.scale_addr + RingAddrWidth'(super_i.groups), super_i.scale_addr};
      tile_first_q  <= 1'b1;
      tile_last_q   <= super_alone_i;
      alone_q       <= super_alone_i;
      sets_last_q   <= super_alone_i & ~super_i.pair;
      group_first_q <= 1'b1;
      group_end_q   <= super_alone_i & ~super_i.pair & ~super_i.dual;
    end else if (step) begin
      slot_q       <= sets_last_q ? '0 : slot_q + 1'b1;
      tiles_q      <= tile_last_q ? super_q.tiles : tiles_q - 1'b1;
      tile_first_q <= tile_last_q;
      tile_last_q  <= next_tile_last;
      second_q     <= next_second;
      sets_last_q  <= next_sets_last;
      negative_q   <= next_negative;
      group_end_q  <= next_sets_last & (next_negative | ~super_q.dual);
      act_q        <= act_q + ActAddrWidth'(super_q.chunks);
      if (tile_last_q) act_q <= group_end_q ? next_act_q : group_act_q;
      if (group_end_q) begin
        group_first_q <= 1'b0;
        group_act_q   <= next_act_q;
        next_act_q    <= next_act_q + ActAddrWidth'(super_q.group_chunks);
        for (int i = 0; i < 2; i++) begin
          chunk_q[i] <= chunk_q[i] + RingAddrWidth'(super_q.group_chunks);
          scale_q[i] <= scale_q[i] + 1'b1;
        end
      end
    end
    if (super_ready_o | (step & group_end_q)) begin
      groups_q <= (super_ready_o ? {1'b0, super_i.groups} : groups_q) + {{ChunkWidth{1'b1}}, ~super_ready_o};
    end
  end

  logic unused;
  assign unused = ^{super_q.act_addr, super_q.chunk_addr, super_q.scale_addr};

  `FPQ_ASSERT_STABLE(SuperStable, super_valid_i, super_ready_o, super_i)
  `FPQ_ASSERT_STABLE(RunStable, run_valid_o, run_ready_i, run_o)

endmodule
