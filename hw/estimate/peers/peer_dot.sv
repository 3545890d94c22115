// SPDX-License-Identifier: Apache-2.0
// A dot unit as a plain description has it: multiply, register, tree of adders, accumulate a pass, keep its sum. The ports
// are fpq_dot_fp4's, but that operands are codes; valid_i and first_i come log2(Lanes) + 1 cycles after them.

module peer_dot #(
  parameter int Bits = 4,
  parameter int ExponentBits = 0,  // 0: integers
  parameter int Lanes = 32,
  parameter int SumBits = 22
) (
  input  logic                      clk_i,
  input  logic                      valid_i,
  input  logic                      first_i,
  input  logic                      keep_i,
  input  logic [Lanes*Bits-1:0]     a_i,
  input  logic [Lanes*Bits-1:0]     w_i,
  output logic signed [SumBits-1:0] sum_o
);

  localparam int Width = ExponentBits == 0 ? Bits : Bits - 1 - ExponentBits + 2 ** ExponentBits;
  localparam int ProductWidth = 2 * Width - (ExponentBits == 0 ? 0 : 1);
  localparam int TreeWidth = ProductWidth + $clog2(Lanes);

  logic [Lanes*ProductWidth-1:0] products, products_q;
  logic signed [TreeWidth-1:0] chunk;
  logic signed [SumBits-1:0] accumulator_q;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
    peer_multiply #(
      .Bits        (Bits),
      .ExponentBits(ExponentBits)
    ) u_multiply (
      .a_i      (a_i[l*Bits+:Bits]),
      .w_i      (w_i[l*Bits+:Bits]),
      .product_o(products[l*ProductWidth+:ProductWidth])
    );
  end

  peer_tree #(
    .Count(Lanes),
    .Width(ProductWidth)
  ) u_tree (
    .clk_i,
    .operands_i(products_q),
    .sum_o     (chunk)
  );

  always_ff @(posedge clk_i) begin
    products_q <= products;
    if (valid_i) accumulator_q <= (first_i ? '0 : accumulator_q) + SumBits'(chunk);
    if (keep_i) sum_o <= accumulator_q;
  end

endmodule
