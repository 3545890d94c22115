// SPDX-License-Identifier: Apache-2.0
// An FP4 dot unit of LUT primitives, from recoded operands to a pass's sum. valid_i and first_i come tree_levels(Lanes) + 1
// cycles after the operands; sum_o is the sum of the last pass for which keep_i was given, a cycle after valid_i's last.

module fpq_dot_fp4
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetUltrascale,
  parameter int Lanes = 32,
  parameter bit Dual = 1,  // the activations may be of the dual format's negative half too
  parameter int ABits = 13,  // classes and sign of a recoded operand
  parameter int WBits = 13,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp4)
) (
  input  logic                   clk_i,
  input  logic                   valid_i,
  input  logic                   first_i,
  input  logic                   keep_i,
  input  logic [Lanes*ABits-1:0] a_i,
  input  logic [Lanes*WBits-1:0] w_i,
  output logic [SumBits-1:0]     sum_o
);

  logic [Lanes*8-1:0] products, products_q;
  logic [Lanes*9-1:0] operands;
  logic [Lanes-1:0] ones, ones_q;
  logic [SumBits-1:0] sum;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
    if (Dual) begin : gen_dual
      fpq_product_fp4 u_product (
        .a_i      (a_i[l*ABits+:ABits]),
        .b_i      (w_i[l*WBits+:WBits]),
        .product_o(products[8*l+:8]),
        .one_o    (ones[l])
      );
    end else begin : gen_plain
      fpq_product_e2m1 u_product (
        .a_i      (a_i[l*ABits+:ABits]),
        .b_i      (w_i[l*WBits+:WBits]),
        .product_o(products[8*l+:8]),
        .one_o    (ones[l])
      );
    end
    // The top bit is the sign's complement: the first adders take it as it is, which spares a register and half a LUT.
    assign operands[9*l+:9] = {ones_q[l], products_q[8*l+:8]};
  end

  always_ff @(posedge clk_i) begin
    products_q <= products;
    ones_q     <= ones;
    // The finished sum stands while the next pass begins.
    if (keep_i) sum_o <= sum;
  end

  fpq_dot #(
    .Target      (Target),
    .Lanes       (Lanes),
    .ProductWidth(9),
    .SumBits     (SumBits),
    .InvertTop   (1)
  ) u_dot (
    .clk_i,
    .valid_i,
    .first_i,
    .products_i(operands),
    .ones_i    (ones_q),
    .sum_o     (sum)
  );

endmodule
