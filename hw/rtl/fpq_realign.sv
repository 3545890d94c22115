// SPDX-License-Identifier: Apache-2.0
// Shifts runs that begin inside a bus beat, at a multiple of 64 bits, to the beginning of a beat. Runs are whole numbers of
// beats long. One beat a cycle, but for the extra beat that a shifted run has.

`include "fpq_assert.svh"

module fpq_realign #(
  parameter int BusBits = 128,
  parameter int BeatsWidth = 12,
  localparam int Words = BusBits / 64,
  localparam int OffsetWidth = Words > 1 ? $clog2(Words) : 1
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // Runs: the word of the first beat where it begins, beats that it fills when shifted.
  input  logic                   run_valid_i,
  output logic                   run_ready_o,
  input  logic [OffsetWidth-1:0] run_offset_i,
  input  logic [BeatsWidth-1:0]  run_beats_i,
  input  logic                   beat_valid_i,
  output logic                   beat_ready_o,
  input  logic [BusBits-1:0]     beat_data_i,
  output logic                   data_valid_o,
  input  logic                   data_ready_i,
  output logic [BusBits-1:0]     data_o,
  output logic                   data_last_o  // the run's last
);

  logic primed_q;                      // the run's first beat is in previous_q
  logic [BusBits-1:0] previous_q;
  logic [BeatsWidth-1:0] done_q;       // beats of the run that have left
  logic aligned, pass, take;
  logic [2*BusBits-1:0] window;

  assign aligned = run_offset_i == '0;
  assign pass = aligned | primed_q;    // this beat completes one; else it only primes
  assign data_valid_o = run_valid_i & beat_valid_i & pass;
  assign beat_ready_o = run_valid_i & (data_ready_i | ~pass);
  assign take = beat_valid_i & beat_ready_o;
  assign data_last_o = done_q == run_beats_i - 1'b1;
  assign run_ready_o = data_valid_o & data_ready_i & data_last_o;

  assign window = aligned ? {previous_q, beat_data_i} : {beat_data_i, previous_q};
  assign data_o = window[{{(32-OffsetWidth){1'b0}}, run_offset_i} * 64 +: BusBits];

  always_ff @(posedge clk_i) begin
    if (take) previous_q <= beat_data_i;
    if (!rst_ni) begin
      primed_q <= 1'b0;
      done_q   <= '0;
    end else if (take) begin
      primed_q <= ~run_ready_o;
      if (pass) done_q <= data_last_o ? '0 : done_q + 1'b1;
    end
  end

  `FPQ_ASSERT_STABLE(DataStable, data_valid_o, data_ready_i, {data_o, data_last_o})

endmodule
