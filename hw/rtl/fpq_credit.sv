// SPDX-License-Identifier: Apache-2.0
// Counts things that one unit makes and another takes, one at a time. The flag is a register: no count is on the taker's path.

`include "fpq_assert.svh"

module fpq_credit #(
  parameter int Width = 8,    // bits of the count
  parameter int Initial = 0
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic give_i,
  input  logic take_i,        // only while any_o
  output logic any_o
);

  logic [Width-1:0] count_q;
  logic one_q;                // the count is one

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q <= Width'(Initial);
      one_q   <= Initial == 1;
      any_o   <= Initial != 0;
    end else if (give_i & ~take_i) begin
      count_q <= count_q + 1'b1;
      one_q   <= ~any_o;
      any_o   <= 1'b1;
    end else if (take_i & ~give_i) begin
      count_q <= count_q - 1'b1;
      one_q   <= count_q == Width'(2);
      any_o   <= ~one_q;
    end
  end

  `FPQ_ASSERT(NoUnderflow, !(take_i && !any_o))
  `FPQ_ASSERT(NoOverflow, !(give_i && !take_i && &count_q))

endmodule
