// SPDX-License-Identifier: Apache-2.0
// Cuts a run of bytes into AXI bursts: as long as BurstBeats, none across a multiple of BurstBytes (so none across 4 KiB).
// One burst a cycle.

`include "fpq_assert.svh"

module fpq_burst #(
  parameter int BusBits = 128,
  parameter int BurstBeats = 64,   // a power of two; BurstBeats * BusBits/8 divides 4096
  parameter int SpanWidth = 16
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  // A run: its first byte's address, and how far from it the last byte is (its length less 1).
  input  logic                 run_valid_i,
  output logic                 run_ready_o,
  input  logic [63:0]          run_addr_i,
  input  logic [SpanWidth-1:0] run_span_i,
  // Bursts: address of the first beat, beats - 1.
  output logic                 burst_valid_o,
  input  logic                 burst_ready_i,
  output logic [63:0]          burst_addr_o,
  output logic [7:0]           burst_len_o,
  output logic                 burst_last_o  // the run's last
);

  localparam int BeatLog2 = $clog2(BusBits / 8);
  localparam int CountLog2 = $clog2(BurstBeats);
  localparam int BurstLog2 = BeatLog2 + CountLog2;
  localparam int TotalWidth = (SpanWidth > BurstLog2 ? SpanWidth : BurstLog2) + 1;

  `FPQ_REQUIRE(gen_bad_burst, 2 ** CountLog2 == BurstBeats && 2 ** BurstLog2 <= 4096,
               "fpq_burst: BurstBeats must be a power of two, and a burst at most 4096 bytes")

  // Where the run's last byte is, counted from the burst after this one: its sign tells whether there is one. One adder
  // finds it and goes on to the next burst, each time a burst less.
  logic [TotalWidth-1:0] left_d;
  logic [TotalWidth-1:BeatLog2] left_q;
  logic [63:BurstLog2] base_q;                    // the multiple of the burst size below the burst
  logic [CountLog2-1:0] offset_q;                 // beats from there to the burst's first
  logic more;                                     // the run goes on after this burst; 0 where there is none
  logic step;

  assign more = ~left_q[TotalWidth-1];
  assign left_d = (more ? {left_q, {BeatLog2{1'b0}}} : TotalWidth'(run_span_i))
               + {{TotalWidth-BurstLog2{1'b1}}, run_addr_i[BurstLog2-1:0] & {BurstLog2{~more}}};
  assign step = ~burst_valid_o | burst_ready_i;

  assign burst_addr_o = {base_q, offset_q, {BeatLog2{1'b0}}};
  assign burst_len_o  = 8'(CountLog2'((more ? '1 : left_q[BurstLog2-1:BeatLog2]) - offset_q));
  assign burst_last_o = ~more;
  assign run_ready_o  = step & ~more;

  always_ff @(posedge clk_i) begin
    if (step) begin
      burst_valid_o <= more | run_valid_i;
      base_q   <= (more ? base_q : run_addr_i[63:BurstLog2]) + {{63-BurstLog2{1'b0}}, more};
      offset_q <= more ? '0 : run_addr_i[BurstLog2-1:BeatLog2];
      left_q   <= left_d[TotalWidth-1:BeatLog2];
    end
    if (!rst_ni) burst_valid_o <= 1'b0;
    if (!rst_ni | (~more & ~run_valid_i)) left_q[TotalWidth-1] <= 1'b1;
  end

  `FPQ_ASSERT_STABLE(RunStable, run_valid_i, run_ready_o, {run_addr_i, run_span_i})
  `FPQ_ASSERT_STABLE(BurstStable, burst_valid_o, burst_ready_i, {burst_addr_o, burst_len_o})
  `FPQ_ASSERT(NotEmpty, !burst_valid_o || more || left_q[BurstLog2-1:BeatLog2] >= offset_q)

  logic unused_bytes;
  assign unused_bytes = ^{1'b0, left_d[BeatLog2-1:0]};

endmodule
