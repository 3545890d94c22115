// SPDX-License-Identifier: Apache-2.0
// Schedules the banks: reads a chunk of activations and of weights a cycle out of the buffers and tells the banks what it
// is. The banks keep step; a bank without a column tile in a set sits it out.

`include "fpq_assert.svh"

module fpq_issue
  import fpq_core_pkg::*;
#(
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Banks = 1,
  parameter int Slots = 16,
  parameter int Spacing = 4,
  parameter int ChunkDepth = 512, // of the banks' rings of weights
  parameter int TileCredit = 11,  // bits of the number of row tiles in the activation buffer
  parameter int ReadLatency = 3,  // of the buffers
  localparam int SlotLog2 = $clog2(Slots)
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,
  input  logic                           job_valid_i,
  output logic                           job_ready_o,
  input  issue_job_t                     job_i,
  // Operands that have come: a row tile, a chunk of weights
  input  logic                           tile_i,
  input  logic [Banks-1:0]               chunk_i,
  // Slots that have become free
  input  logic                           sum_valid_i,
  input  logic [SlotLog2-1:0]            sum_slot_i,
  input  logic [Banks-1:0]               drain_valid_i,
  input  logic [Banks-1:0][SlotLog2-1:0] drain_slot_i,
  // To the buffers
  output logic [ActAddrWidth-1:0]        act_addr_o,
  output logic                           act_negative_o,
  output logic [RingAddrWidth-1:0]       chunk_addr_o,
  output logic [RingAddrWidth-1:0]       scale_addr_o,
  // To the banks, when the buffers' data is there
  output logic [Banks-1:0]               chunk_valid_o,
  output logic                           chunk_first_o,
  output logic                           chunk_last_o,
  output logic                           chunk_dual_o,
  output logic                           chunk_negative_o,
  output logic [SlotLog2-1:0]            chunk_slot_o,
  output logic                           chunk_tile_first_o,
  output logic                           chunk_tile_last_o,
  output logic [BiasWidth-1:0]           chunk_bias_o,
  // To the loaders: room that comes back
  output logic                           free_chunk_o,
  output logic                           free_set_o,
  output logic [ChunkWidth-1:0]          free_groups_o,
  output logic                           free_tile_o,
  output logic [ChunkWidth-1:0]          free_tile_chunks_o,
  // To the counters
  output logic                           compute_o,
  output logic                           load_stall_o,
  output logic                           store_stall_o
);

  // From sum_valid_i: two cycles in fpq_slots, one in fpq_issue_play; from the chunk's choice, one, and the buffers.
  `FPQ_REQUIRE(gen_bad_latency, 4 + ReadLatency >= fpq_bank_pkg::AnswerLead,
               "fpq_issue: ReadLatency must be at least AnswerLead - 4, or a slot is used before its sum is in")

  logic walk_valid, walk_ready, super_valid, super_ready, run_valid, run_ready;
  super_t walk_super, run_super;
  logic run_alone;  // the super-tile's rows are one tile: asked before the queue, because reading it takes a level
  run_t next_run, run;

  fpq_issue_walk #(
    .Rows(Rows), .Columns(Columns), .Banks(Banks), .Slots(Slots), .ChunkDepth(ChunkDepth)
  ) u_walk (
    .clk_i, .rst_ni, .job_valid_i, .job_ready_o, .job_i,
    .super_valid_o(walk_valid), .super_ready_i(walk_ready), .super_o(walk_super)
  );

  fpq_fifo #(.Width($bits(super_t) + 1), .Depth(2)) u_super (
    .clk_i, .rst_ni,
    .valid_i(walk_valid), .ready_o(walk_ready),
    .data_i({walk_super.tiles == SlotWidth'(1), walk_super}),
    .valid_o(super_valid), .ready_i(super_ready), .data_o({run_alone, run_super})
  );

  fpq_issue_runs #(.Slots(Slots)) u_runs (
    .clk_i, .rst_ni,
    .super_valid_i(super_valid), .super_ready_o(super_ready), .super_i(run_super), .super_alone_i(run_alone),
    .run_valid_o(run_valid), .run_ready_i(run_ready), .run_o(next_run)
  );

  logic tile_any, tile_take, go, first, last;
  logic [Banks-1:0] chunk_any, chunk_take;
  logic chunk_take_tile;
  logic [Slots-1:0] slot_free, slot_drains;
  logic [ActAddrWidth-1:0] act_addr;
  logic [RingAddrWidth-1:0] chunk_addr;

  fpq_credit #(.Width(TileCredit)) u_tiles (
    .clk_i, .rst_ni, .give_i(tile_i), .take_i(tile_take), .any_o(tile_any)
  );
  for (genvar p = 0; p < Banks; p++) begin : gen_chunks
    fpq_chunk_credit #(.Width(RingAddrWidth + 2)) u_chunks (
      .clk_i, .rst_ni, .give_i(chunk_i[p]), .take_i(chunk_take[p]), .take_tile_i(chunk_take_tile),
      .tile_chunks_i(run.tile_chunks), .any_o(chunk_any[p])
    );
  end

  fpq_issue_play #(.Banks(Banks), .Slots(Slots), .Spacing(Spacing)) u_play (
    .clk_i, .rst_ni,
    .run_valid_i(run_valid), .run_ready_o(run_ready), .run_i(next_run),
    .tile_any_i(tile_any), .chunk_any_i(chunk_any), .slot_free_i(slot_free), .slot_drains_i(slot_drains),
    .go_o(go), .first_o(first), .last_o(last), .act_addr_o(act_addr), .chunk_addr_o(chunk_addr), .run_o(run),
    .tile_take_o(tile_take), .chunk_take_o(chunk_take), .chunk_take_tile_o(chunk_take_tile),
    .load_stall_o, .store_stall_o
  );

  fpq_slots #(.Banks(Banks), .Slots(Slots)) u_slots (
    .clk_i, .rst_ni,
    .take_i(go & last), .take_slot_i(run.slot[SlotLog2-1:0]), .take_drain_i(run.tile_last),
    .take_mask_i(run.mask[Banks-1:0]),
    .sum_valid_i, .sum_slot_i, .drain_valid_i, .drain_slot_i,
    .free_o(slot_free), .drains_o(slot_drains)
  );

  assign compute_o = go;

  // Addresses are registers on their way to the memories; what goes with the data takes as long as they do.
  localparam int ControlWidth = Banks + 6 + SlotLog2 + BiasWidth;
  logic [ControlWidth-1:0] control_q;

  always_ff @(posedge clk_i) begin
    act_addr_o     <= act_addr;
    act_negative_o <= run.negative;
    chunk_addr_o   <= chunk_addr;
    scale_addr_o   <= run.scale_addr;
    control_q <= {
      run.mask[Banks-1:0] & {Banks{go & rst_ni}}, first, last, run.dual, run.negative, run.tile_first, run.tile_last,
      run.slot[SlotLog2-1:0], run.bias
    };
    free_set_o   <= rst_ni & go & last & run.free_set;
    free_tile_o  <= rst_ni & go & last & run.free_tile;
    free_groups_o      <= run.groups;
    free_tile_chunks_o <= run.tile_chunks;
  end

  // Room for chunks comes back one at a time: as they are used, or behind those, where a whole column tile's comes at once.
  logic used_q, behind_q, pay;
  logic [RingAddrWidth-1:0] owed_q;

  assign pay = (owed_q != '0) & ~used_q & ~behind_q;

  always_ff @(posedge clk_i) begin
    used_q       <= rst_ni & go & run.free_chunks;
    behind_q     <= rst_ni & go & last & run.free_behind;
    free_chunk_o <= rst_ni & (used_q | pay);
    if (!rst_ni) owed_q <= '0;
    else if (behind_q | pay) owed_q <= owed_q + (behind_q ? RingAddrWidth'(free_tile_chunks_o) : '1);
  end

  fpq_delay #(.Width(ControlWidth), .Cycles(ReadLatency)) u_control (
    .clk_i, .data_i(control_q),
    .data_o({
      chunk_valid_o, chunk_first_o, chunk_last_o, chunk_dual_o, chunk_negative_o, chunk_tile_first_o,
      chunk_tile_last_o, chunk_slot_o, chunk_bias_o
    })
  );

  logic unused;
  assign unused = ^{run.act_addr, run.chunk_addr, run.length, run.wait_tile, run.wait_chunks, run.take_chunks,
                    run.take_tile, run.mask, run.slot};

endmodule
