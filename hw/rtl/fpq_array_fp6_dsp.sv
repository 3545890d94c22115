// SPDX-License-Identifier: Apache-2.0
// The dot products of fpq_array for FP6 in DSP slices: a slice multiplies an activation by the weights of two neighbouring
// columns. Operands become integers once a row or pair of columns, and come as late there as their slice stands in its cascade.

`include "fpq_assert.svh"

module fpq_array_fp6_dsp
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetUltrascale,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp6)
) (
  input  logic                              clk_i,
  input  logic                              valid_i,
  input  logic                              first_i,
  input  logic                              last_i,
  input  logic [Rows*Lanes*Fp6UnitBits-1:0] a_units_i,  // of fpq_operands
  input  logic [Columns*Lanes*6-1:0]        w_codes_i,
  output logic [Rows*Columns*SumBits-1:0]   sums_o
);

  `FPQ_REQUIRE(gen_bad_columns, Columns % 2 == 0, "fpq_array_fp6_dsp: Columns must be even: two share a DSP slice")

  localparam int Pairs = Columns / 2;

  // Control beside the cascades' results, and a cycle later.
  logic valid, first, last, last_q;

  fpq_delay #(
    .Width (3),
    .Cycles(fp6_dsp_sum_cycle(Lanes))
  ) u_control (
    .clk_i,
    .data_i({valid_i, first_i, valid_i & last_i}),
    .data_o({valid, first, last})
  );

  always_ff @(posedge clk_i) begin
    last_q <= last;
  end

  logic [Pairs-1:0][Lanes-1:0][24:0] w_pairs;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
    for (genvar c = 0; c < Pairs; c++) begin : gen_weights
      fpq_pair_fp6 #(
        .Late(l % Fp6Cascade)
      ) u_pair (
        .clk_i,
        .codes_i({w_codes_i[6*((2*c+1)*Lanes+l)+:6], w_codes_i[6*(2*c*Lanes+l)+:6]}),
        .pair_o (w_pairs[c][l])
      );
    end
  end

  for (genvar r = 0; r < Rows; r++) begin : gen_rows
    for (genvar c = 0; c < Pairs; c++) begin : gen_columns
      fpq_dot_fp6_dsp #(
        .Target(Target),
        .Lanes (Lanes)
      ) u_dot (
        .clk_i,
        .valid_i(valid),
        .first_i(first),
        .keep_i (last_q),
        .a_i    (a_units_i[r*Lanes*Fp6UnitBits+:Lanes*Fp6UnitBits]),
        .w_i    (w_pairs[c]),
        .sums_o (sums_o[(r*Columns+2*c)*SumBits+:2*SumBits])
      );
    end
  end

endmodule
