// SPDX-License-Identifier: Apache-2.0
// sum = x + y * 2^Shift + z * 2^(2 * Shift), a cycle later: joins the sums of planes. x's lowest bits pass without an adder.

`include "fpq_assert.svh"

module fpq_table_merge #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Shift = 1,
  parameter int XWidth = 14,
  parameter int YWidth = 14,
  parameter int ZWidth = 14,
  parameter int SumWidth = 17  // of what the sum can be
) (
  input  logic                clk_i,
  input  logic [XWidth-1:0]   x_i,
  input  logic [YWidth-1:0]   y_i,
  input  logic [ZWidth-1:0]   z_i,
  output logic [SumWidth-1:0] sum_o
);

  localparam int UpperWidth = XWidth - Shift;
  localparam int XYWidth = UpperWidth > YWidth ? UpperWidth : YWidth;
  localparam int Width = XYWidth > ZWidth + Shift ? XYWidth : ZWidth + Shift;

  `FPQ_REQUIRE(gen_bad_shift, Shift >= 1 && XWidth > Shift, "fpq_table_merge: Shift must be at least 1, XWidth more")

  logic [SumWidth-Shift-1:0] sum;

  fpq_add3 #(
    .Target  (Target),
    .Width   (Width),
    .SumWidth(SumWidth - Shift)
  ) u_add (
    .x_i    (Width'(x_i[XWidth-1:Shift])),
    .y_i    (Width'(y_i)),
    .z_i    (Width'({z_i, {Shift{1'b0}}})),
    .clear_i(1'b0),
    .ones_i (2'b00),
    .sum_o  (sum)
  );

  always_ff @(posedge clk_i) sum_o <= {sum, x_i[Shift-1:0]};

endmodule
