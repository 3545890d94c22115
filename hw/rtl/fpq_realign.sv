// SPDX-License-Identifier: Apache-2.0
// Shifts runs that begin inside a bus beat, at a multiple of 64 bits, to the beginning of a beat. Runs are whole numbers of
// beats long. One beat a cycle, but for the extra beat that a shifted run has.

`include "fpq_assert.svh"

module fpq_realign #(
  parameter int BusBits = 128,
  parameter int BeatsWidth = 12,
  parameter int SideWidth = 1,  // what is known of a run
  localparam int Words = BusBits / 64,
  localparam int OffsetWidth = Words > 1 ? $clog2(Words) : 1
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // Runs, taken when they begin: the word of the first beat where it begins, beats that it fills when shifted, less 1.
  input  logic                   run_valid_i,
  output logic                   run_ready_o,
  input  logic [OffsetWidth-1:0] run_offset_i,
  input  logic [BeatsWidth-1:0]  run_beats_i,
  input  logic [SideWidth-1:0]   run_side_i,
  input  logic                   beat_valid_i,
  output logic                   beat_ready_o,
  input  logic [BusBits-1:0]     beat_data_i,
  output logic                   data_valid_o,
  input  logic                   data_ready_i,
  output logic [BusBits-1:0]     data_o,
  output logic [SideWidth-1:0]   side_o
);

  logic active_q;                      // there is a run
  logic pass_q;                        // a beat completes one; else it only primes
  logic [OffsetWidth-1:0] shift_q;     // words of the beat before that are passed over, less 1: all of them if aligned
  logic [BusBits-1:0] previous_q;
  logic [BeatsWidth:0] left_q;         // beats to take from this one on, less 2: the sign tells of the last
  logic take, last;
  logic [2*BusBits-1:0] window;

  assign data_valid_o = active_q & beat_valid_i & pass_q;
  assign beat_ready_o = active_q & (data_ready_i | ~pass_q);
  assign take  = beat_valid_i & beat_ready_o;
  assign last  = left_q[BeatsWidth];
  assign run_ready_o = ~active_q | (beat_valid_i & data_ready_i & last);  // a last beat completes one

  assign window = {beat_data_i, previous_q};
  assign data_o = window[{{(32-OffsetWidth){1'b0}}, shift_q} * 64 + 64 +: BusBits];

  always_ff @(posedge clk_i) begin
    if (take) previous_q <= beat_data_i;
    if (!rst_ni) active_q <= 1'b0;
    else if (run_ready_o) active_q <= run_valid_i;
    if (run_ready_o) begin
      shift_q <= Words > 1 ? run_offset_i - 1'b1 : '0;
      side_o  <= run_side_i;
    end
    if (run_ready_o | take) pass_q <= ~run_ready_o | (run_offset_i == '0);
    // One adder: a shifted run has one beat more, so nothing is taken off at its begin.
    if (run_ready_o | take) begin
      left_q <= (run_ready_o ? {1'b0, run_beats_i} : left_q)
             + '1 + (BeatsWidth + 1)'(run_ready_o & (run_offset_i != '0));
    end
  end

  `FPQ_ASSERT_STABLE(RunStable, run_valid_i, run_ready_o, {run_offset_i, run_beats_i, run_side_i})
  `FPQ_ASSERT(LastPasses, !(active_q && last) || pass_q)
  `FPQ_ASSERT_STABLE(DataStable, data_valid_o, data_ready_i, data_o)

endmodule
