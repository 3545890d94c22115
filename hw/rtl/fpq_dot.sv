// SPDX-License-Identifier: Apache-2.0
// A dot unit: adds up the products of a pass's chunks. The products come in offset form, product + Offset - one, and the
// ones beside them. sum_o is the pass's sum dot_latency(Lanes) cycles after its last chunk, until the next chunk.

`include "fpq_assert.svh"

module fpq_dot
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter int Lanes = 32,
  parameter int ProductWidth = 9,                    // of the offset form; Offset is half its range
  parameter int SumBits = 22,
  parameter bit InvertTop = 0,                       // the products' top bits come complemented
  localparam int Latency = tree_levels(Lanes) + 1
) (
  input  logic                          clk_i,
  input  logic                          valid_i,     // of the cycle of the tree's result: see fpq_array_mapped
  input  logic                          first_i,
  input  logic [Lanes*ProductWidth-1:0] products_i,  // Latency - 1 cycles earlier
  input  logic [Lanes-1:0]              ones_i,
  output logic [SumBits-1:0]            sum_o
);

  localparam int Largest = 2 ** ProductWidth - 1;
  localparam int Width = tree_width(Lanes, Largest);
  // Lanes * Offset is a power of two; it is taken away by the high bits of the second operand, which is smaller.
  localparam int OffsetBit = $clog2(Lanes) + ProductWidth - 1;

  `FPQ_REQUIRE(gen_bad_width, Lanes == 32 || Lanes == 64 || Lanes == 128,
               "fpq_dot: Lanes must be 32, 64 or 128, for which the tree's second operand is small")

  logic [2*Width-1:0] operands;
  logic [1:0] ones;
  logic [SumBits-1:0] first_operand, second_operand, sum;

  fpq_sum #(
    .Target (Target),
    .Count  (Lanes),
    .Largest(Largest),
    .InvertTop(InvertTop)
  ) u_sum (
    .clk_i,
    .operands_i(products_i),
    .ones_i,
    .operands_o(operands),
    .ones_o    (ones)
  );

  assign first_operand  = SumBits'(operands[Width-1:0]);
  assign second_operand = {{(SumBits - OffsetBit) {1'b1}}, operands[Width+:OffsetBit]};

  fpq_add3 #(
    .Target  (Target),
    .Width   (SumBits),
    .SumWidth(SumBits)
  ) u_accumulate (
    .x_i    (first_operand),
    .y_i    (second_operand),
    .z_i    (sum_o),
    .clear_i(first_i),
    .ones_i (ones),
    .sum_o  (sum)
  );

  always_ff @(posedge clk_i) begin
    if (valid_i) sum_o <= sum;
  end

endmodule
