// SPDX-License-Identifier: Apache-2.0
// An FP6 dot unit of LUT primitives, from recoded operands to a pass's sum: see fpq_product_fp6. valid_i and first_i come
// tree_levels(Lanes) + 3 cycles after a_i; sum_o is the sum of the last pass for which keep_i was given, a cycle after
// valid_i's last.

module fpq_dot_fp6
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetUltrascale,
  parameter int Lanes = 32,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp6)
) (
  input  logic                   clk_i,
  input  logic                   valid_i,
  input  logic                   first_i,
  input  logic                   keep_i,
  input  logic [Lanes-1:0][13:0] a_i,       // {3 * A, A}
  input  logic [Lanes-1:0][1:0]  d0_i,
  input  logic [Lanes-1:0][14:0] a_late_i,  // a cycle later: {sign, 3 * A, A}
  input  logic [Lanes-1:0][2:0]  w_late_i,  // {sign, d1}
  input  logic [Lanes-1:0][1:0]  shift_i,   // another cycle later
  output logic [SumBits-1:0]     sum_o
);

  logic [Lanes-1:0][12:0] products, products_q;
  logic [Lanes-1:0] ones_q;
  logic [SumBits-1:0] sum;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
    fpq_product_fp6 #(
      .Target(Target)
    ) u_product (
      .clk_i,
      .a_i      (a_i[l]),
      .d0_i     (d0_i[l]),
      .a_late_i (a_late_i[l]),
      .w_late_i (w_late_i[l]),
      .shift_i  (shift_i[l]),
      .product_o(products[l][11:0]),
      .one_o    (products[l][12])
    );
    // The top bit is the sign's complement: the first adders take it as it is.
    assign ones_q[l] = products_q[l][12];
  end

  always_ff @(posedge clk_i) begin
    products_q <= products;
    // The finished sum stands while the next pass begins.
    if (keep_i) sum_o <= sum;
  end

  fpq_dot #(
    .Target      (Target),
    .Lanes       (Lanes),
    .ProductWidth(13),
    .SumBits     (SumBits),
    .InvertTop   (1)
  ) u_dot (
    .clk_i,
    .valid_i,
    .first_i,
    .products_i(products_q),
    .ones_i    (ones_q),
    .sum_o     (sum)
  );

endmodule
