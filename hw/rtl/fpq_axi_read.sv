// SPDX-License-Identifier: Apache-2.0
// AXI4 read master: runs of bytes in, the bus beats that hold them out, in order. The taker has room for all that it asks
// for, so data is never left on the bus. On stop_i no burst begins any more and beats from the bus are dropped; once idle_o
// is up the unit can be reset.

`include "fpq_assert.svh"

module fpq_axi_read #(
  parameter int BusBits = 128,
  parameter int SpanWidth = 16,
  parameter int MaxBursts = 16  // under way at a time; a power of two
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 stop_i,
  output logic                 idle_o,
  // Runs: see fpq_burst.
  input  logic                 run_valid_i,
  output logic                 run_ready_o,
  input  logic [63:0]          run_addr_i,
  input  logic [SpanWidth-1:0] run_span_i,
  // Beats; error_o: memory answered this beat with an error.
  output logic                 beat_valid_o,
  input  logic                 beat_ready_i,
  output logic [BusBits-1:0]   beat_data_o,
  output logic                 beat_error_o,
  // AXI4 read channels
  output logic                 arvalid_o,
  input  logic                 arready_i,
  output logic [63:0]          araddr_o,
  output logic [7:0]           arlen_o,
  input  logic                 rvalid_i,
  output logic                 rready_o,
  input  logic [BusBits-1:0]   rdata_i,
  input  logic [1:0]           rresp_i,
  input  logic                 rlast_i
);

  // At most 1 KiB a burst, so that masters share the memory fairly.
  localparam int BurstBeats = BusBits >= 128 ? 8192 / BusBits : 64;

  logic burst_valid, burst_ready, burst_last;
  logic [63:0] burst_addr;
  logic [7:0] burst_len;
  logic slot_any, slot_take, slot_give;
  logic queue_ready, data_ready;
  logic [$clog2(MaxBursts):0] count_q;

  fpq_burst #(
    .BusBits(BusBits), .BurstBeats(BurstBeats), .SpanWidth(SpanWidth)
  ) u_burst (
    .clk_i, .rst_ni,
    .run_valid_i, .run_ready_o, .run_addr_i, .run_span_i,
    .burst_valid_o(burst_valid), .burst_ready_i(burst_ready),
    .burst_addr_o(burst_addr), .burst_len_o(burst_len), .burst_last_o(burst_last)
  );

  // A burst passes when it gets one of MaxBursts slots; its last beat gives the slot back, a cycle later.
  assign burst_ready = queue_ready & slot_any & ~stop_i;
  assign slot_take   = burst_valid & burst_ready;

  always_ff @(posedge clk_i) slot_give <= rst_ni & rvalid_i & rready_o & rlast_i;

  fpq_credit #(.Width($clog2(MaxBursts) + 1), .Initial(MaxBursts)) u_slots (
    .clk_i, .rst_ni, .give_i(slot_give), .take_i(slot_take), .any_o(slot_any)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) count_q <= '0;
    else if (slot_take ^ slot_give) count_q <= count_q + (slot_take ? ($clog2(MaxBursts) + 1)'(1) : '1);
  end
  assign idle_o = count_q == '0;

  fpq_fifo #(.Width(72), .Depth(2)) u_address (
    .clk_i, .rst_ni,
    .valid_i(slot_take), .ready_o(queue_ready), .data_i({burst_len, burst_addr}),
    .valid_o(arvalid_o), .ready_i(arready_i), .data_o({arlen_o, araddr_o})
  );

  fpq_fifo #(.Width(BusBits + 1), .Depth(2)) u_data (
    .clk_i, .rst_ni,
    .valid_i(rvalid_i & ~stop_i), .ready_o(data_ready), .data_i({rresp_i[1], rdata_i}),
    .valid_o(beat_valid_o), .ready_i(beat_ready_i), .data_o({beat_error_o, beat_data_o})
  );
  assign rready_o = data_ready | stop_i;

  logic unused;
  assign unused = ^{burst_last, rresp_i[0]};

  `FPQ_ASSERT_STABLE(RStable, rvalid_i, rready_o, {rdata_i, rresp_i, rlast_i})

endmodule
