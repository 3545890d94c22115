// SPDX-License-Identifier: Apache-2.0
// Plays runs: a chunk a cycle, unless its operands are not there yet or its slot is not free. Only the last chunk of a run
// needs the slot, and only the first needs the row tile.

`include "fpq_assert.svh"

module fpq_issue_play
  import fpq_core_pkg::*;
#(
  parameter int Banks = 1,
  parameter int Slots = 16,
  parameter int Spacing = 4  // fewest cycles between the ends of two runs
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    run_valid_i,
  output logic                    run_ready_o,
  input  run_t                    run_i,
  input  logic                    tile_any_i,    // a row tile has come
  input  logic [Banks-1:0]        chunk_any_i,   // a chunk of weights has come
  input  logic [Slots-1:0]        slot_free_i,
  input  logic [Slots-1:0]        slot_drains_i,
  // The chunk of this cycle
  output logic                    go_o,
  output logic                    first_o,
  output logic                    last_o,
  output logic [ActAddrWidth-1:0]  act_addr_o,
  output logic [RingAddrWidth-1:0] chunk_addr_o,
  output run_t                    run_o,
  output logic                    tile_take_o,
  output logic [Banks-1:0]        chunk_take_o,
  output logic                    chunk_take_tile_o,  // run_o.tile_chunks of them
  // Why there is none
  output logic                    load_stall_o,
  output logic                    store_stall_o
);

  localparam int SlotLog2 = $clog2(Slots);
  localparam int SpaceWidth = Spacing > 1 ? $clog2(Spacing) : 1;

  // A run waits in a slice, where its slot is looked up, and is played in run_q.
  run_t next, run_q;
  logic next_valid, valid_q, load, end_of_run;
  logic [ChunkWidth-1:0] left_q;               // chunks, this one included
  logic first_q, last_q, slot_drains_q;
  logic need_tile_q;                           // the chunk at hand waits for a row tile
  logic [Banks-1:0] need_chunk_q;              // the run's chunks wait for weights of these banks
  logic [1:0] settle_q;                        // a column tile's chunks are taken; then the flags take a cycle
  logic slot_ok_q, same_slot_q;                // the slot was free a cycle ago; and is taken since, by the run before
  logic [SpaceWidth-1:0] space_q;              // cycles until a run may end
  logic space_ok_q, tile_ok, chunk_ok, end_ok;
  logic free_now, free_next, same_slot;

  // Few flags, for `go` is on everything's way: two levels with four banks.
  assign tile_ok  = ~need_tile_q | tile_any_i;
  assign chunk_ok = (&(chunk_any_i | ~need_chunk_q)) & ~settle_q[0];
  assign end_ok   = ~last_q | (space_ok_q & slot_ok_q & ~same_slot_q);
  assign go_o = valid_q & tile_ok & chunk_ok & end_ok;
  assign end_of_run = go_o & last_q;
  assign load = ~valid_q | end_of_run;

  fpq_slice #(.Width($bits(run_t))) u_next (
    .clk_i, .rst_ni, .valid_i(run_valid_i), .ready_o(run_ready_o), .data_i(run_i),
    .valid_o(next_valid), .ready_i(load), .data_o(next)
  );

  assign first_o = first_q;
  assign last_o  = last_q;
  assign run_o   = run_q;
  assign tile_take_o  = go_o & need_tile_q;
  assign chunk_take_o = {Banks{go_o & run_q.take_chunks}} & need_chunk_q;
  assign chunk_take_tile_o = settle_q[1];

  assign load_stall_o  = ~valid_q | ~tile_ok | ~chunk_ok;
  assign store_stall_o = valid_q & tile_ok & chunk_ok & last_q & slot_drains_q;

  // Both slots are looked up before it is known whether the next run is loaded.
  assign free_now  = slot_free_i[run_q.slot[SlotLog2-1:0]];
  assign free_next = slot_free_i[next.slot[SlotLog2-1:0]];
  assign same_slot = run_q.slot == next.slot;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q  <= 1'b0;
      settle_q <= '0;
    end else if (load) begin
      valid_q  <= next_valid;
      settle_q <= {2{next_valid & next.take_tile}};
    end else begin
      settle_q <= settle_q >> 1;
    end

    slot_ok_q     <= load ? free_next : free_now;
    same_slot_q   <= load & valid_q & same_slot;
    slot_drains_q <= slot_drains_i[run_q.slot[SlotLog2-1:0]];
    if (load | go_o) need_tile_q <= load & next.wait_tile;
    if (load) need_chunk_q <= next.mask[Banks-1:0] & {Banks{next.wait_chunks}};

    if (load) begin
      run_q   <= next;
      first_q <= 1'b1;
      last_q  <= next.length == ChunkWidth'(1);
      left_q  <= next.length;
      act_addr_o   <= next.act_addr;
      chunk_addr_o <= next.chunk_addr;
    end else if (go_o) begin
      first_q <= 1'b0;
      last_q  <= left_q == ChunkWidth'(2);
      left_q  <= left_q - 1'b1;
      act_addr_o   <= act_addr_o + 1'b1;
      chunk_addr_o <= chunk_addr_o + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      space_ok_q <= 1'b1;
      space_q    <= '0;
    end else if (end_of_run) begin
      space_ok_q <= Spacing < 2;
      space_q    <= SpaceWidth'(Spacing - 1);
    end else if (!space_ok_q) begin
      space_ok_q <= space_q == SpaceWidth'(1);
      space_q    <= space_q - 1'b1;
    end
  end

  `FPQ_ASSERT_STABLE(RunStable, run_valid_i, run_ready_o, run_i)
  `FPQ_ASSERT(NotEmpty, !valid_q || left_q != '0)

endmodule
