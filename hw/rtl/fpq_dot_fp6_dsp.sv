// SPDX-License-Identifier: Apache-2.0
// Two FP6 dot units of neighbouring columns in cascades of DSP slices, a slice a lane: both products of an activation and two
// weights come from one multiplication, in fields of 18 bits (32 * 3600 < 2^17). A cascade takes Fp6Cascade lanes, as a column
// of slices of the smallest devices has room for; lane l comes l % Fp6Cascade cycles late, so that it has no registers but its
// own. LUTs are the two accumulators, and where there are four cascades a level of adders.
//
// The fields of w_i are w1 * 2^18 + w0, made once a column: see fpq_pair_fp6. valid_i and first_i come fp6_dot_cycles(Lanes)
// after lane 0; sums_o are the sums of the last pass for which keep_i was given, a cycle after valid_i's last.

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
  input  logic [Lanes-1:0][24:0]   w_i,
  output logic [1:0][SumBits-1:0]  sums_o
);

  `FPQ_REQUIRE(gen_bad_lanes, Lanes == 32 || Lanes == 64 || Lanes == 128,
               "fpq_dot_fp6_dsp: Lanes must be 32, 64 or 128: one, two or four cascades")

  localparam int Field = 18;
  localparam int Cascades = Lanes / Fp6Cascade;

  // Of each cascade: the two fields, and what the lower took from the upper where it is negative.
  logic [Cascades-1:0][Field-1:0] low, high;
  logic [Cascades-1:0] carried;

  for (genvar b = 0; b < Cascades; b++) begin : gen_cascades
    logic [Fp6Cascade-1:0][47:0] cascade, results;

    for (genvar l = 0; l < Fp6Cascade; l++) begin : gen_lanes
      fpq_dsp_mac #(
        .Target(Target),
        .First (l == 0)
      ) u_mac (
        .clk_i,
        .a_i      (w_i[Fp6Cascade*b+l]),
        .b_i      (18'(signed'(a_i[Fp6Cascade*b+l]))),
        .cascade_i(l == 0 ? '0 : cascade[l==0?0 : l-1]),
        .cascade_o(cascade[l]),
        .p_o      (results[l])
      );
    end
    assign {high[b], low[b]} = results[Fp6Cascade-1][2*Field-1:0];
    assign carried[b]        = low[b][Field-1];

    logic unused;
    assign unused = ^{cascade[Fp6Cascade-1], results};
  end

  // Down to two operands and two carries a column, then the accumulators.
  for (genvar c = 0; c < 2; c++) begin : gen_columns
    logic [Cascades-1:0][Field-1:0] fields;
    logic [Cascades-1:0] ones;
    logic [1:0][SumBits-1:0] operands;
    logic [1:0] operand_ones;
    logic [SumBits-1:0] sum, sum_q;

    assign fields = c == 0 ? low : high;
    assign ones   = c == 0 ? '0 : carried;

    if (Cascades == 4) begin : gen_four
      logic [1:0][Field:0] joined_q;
      logic [1:0] ones_q;

      always_ff @(posedge clk_i) begin
        for (int i = 0; i < 2; i++) begin
          joined_q[i] <= (Field + 1)'(signed'(fields[2*i])) + (Field + 1)'(signed'(fields[2*i+1])) +
                         (Field + 1)'(ones[2*i]);
          ones_q[i]   <= ones[2*i+1];
        end
      end
      assign operands     = {SumBits'(signed'(joined_q[1])), SumBits'(signed'(joined_q[0]))};
      assign operand_ones = ones_q;
    end else if (Cascades == 2) begin : gen_two
      assign operands     = {SumBits'(signed'(fields[1])), SumBits'(signed'(fields[0]))};
      assign operand_ones = ones;
    end else begin : gen_one
      assign operands     = {SumBits'(0), SumBits'(signed'(fields[0]))};
      assign operand_ones = {1'b0, ones[0]};
    end

    if (Cascades == 1) begin : gen_add
      assign sum = (first_i ? '0 : sum_q) + operands[0] + SumBits'(operand_ones[0]);

      logic unused;
      assign unused = ^{operands[1], operand_ones[1]};
    end else begin : gen_add3
      fpq_add3 #(
        .Target  (Target),
        .Width   (SumBits),
        .SumWidth(SumBits)
      ) u_accumulate (
        .x_i    (operands[0]),
        .y_i    (operands[1]),
        .z_i    (sum_q),
        .clear_i(first_i),
        .ones_i (operand_ones),
        .sum_o  (sum)
      );
    end

    always_ff @(posedge clk_i) begin
      if (valid_i) sum_q <= sum;
      // The finished sum stands while the next pass begins.
      if (keep_i) sums_o[c] <= sum_q;
    end
  end

endmodule
