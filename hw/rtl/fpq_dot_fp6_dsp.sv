// SPDX-License-Identifier: Apache-2.0
// Two FP6 dot units of neighbouring columns in one cascade of DSP slices, a slice a lane: both products of an activation
// and two weights come from one multiplication, in fields of 20 bits, which hold the sums of 128 lanes (128 * 3600 < 2^19).
// Lane l comes l cycles late, so that the cascade has no registers but its own. LUTs are the two accumulators only.
//
// The fields of w_i are w1 * 2^20 + w0, made once a column: see docs/rtl.md, 6. valid_i and first_i come Lanes + 2 cycles after
// lane 0; sums_o are the sums of the last pass for which keep_i was given, a cycle after valid_i's last.

`include "fpq_assert.svh"

module fpq_dot_fp6_dsp
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetUltrascale,
  parameter int Lanes = 32,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp6)
) (
  input  logic                     clk_i,
  input  logic                     valid_i,
  input  logic                     first_i,
  input  logic                     keep_i,
  input  logic [Lanes-1:0][6:0]    a_i,     // signed integers in units
  input  logic [Lanes-1:0][26:0]   w_i,
  output logic [1:0][SumBits-1:0]  sums_o
);

  `FPQ_REQUIRE(gen_bad_lanes, Lanes <= 128, "fpq_dot_fp6_dsp: a field of 20 bits holds the sum of 128 lanes")

  localparam int Field = 20;
  logic [Lanes-1:0][47:0] cascade, results;
  logic signed [Field-1:0] low;
  logic signed [SumBits-1:0] high, carried;
  logic [1:0][SumBits-1:0] sums_q;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
    fpq_dsp_mac #(
      .Target(Target),
      .First (l == 0)
    ) u_mac (
      .clk_i,
      .a_i      (w_i[l]),
      .b_i      (18'(signed'(a_i[l]))),
      .cascade_i(l == 0 ? '0 : cascade[l==0?0 : l-1]),
      .cascade_o(cascade[l]),
      .p_o      (results[l])
    );
  end

  // The upper field is one short where the lower is negative.
  assign low     = results[Lanes-1][Field-1:0];
  assign high    = SumBits'(signed'(results[Lanes-1][2*Field-1:Field]));
  assign carried = SumBits'(low[Field-1]);

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      sums_q[0] <= (first_i ? '0 : sums_q[0]) + SumBits'(low);
      sums_q[1] <= (first_i ? '0 : sums_q[1]) + high + carried;
    end
    // The finished sums stand while the next pass begins.
    if (keep_i) sums_o <= sums_q;
  end

  logic unused;
  assign unused = ^{cascade[Lanes-1], results[Lanes-1][47:2*Field]};

endmodule
