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

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q <= Width'(Initial);
      any_o   <= Initial != 0;
    end else begin
      if (give_i ^ take_i) count_q <= count_q + (give_i ? Width'(1) : '1);  // one adder; by 1 or -1
      any_o <= give_i | (count_q[Width-1:1] != '0) | (count_q[0] & ~take_i);
    end
  end

  `FPQ_ASSERT(NoUnderflow, !(take_i && !any_o))
  `FPQ_ASSERT(NoOverflow, !(give_i && !take_i && &count_q))

endmodule
