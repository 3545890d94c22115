// SPDX-License-Identifier: Apache-2.0
// Registers for the first entry of a queue, so that what depends on it does not wait for the queue's memory.

`include "fpq_assert.svh"

module fpq_head #(
  parameter int Width = 8
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  assign ready_o = ~valid_o | ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (ready_o) valid_o <= valid_i;
    if (ready_o) data_o <= data_i;
  end

  `FPQ_ASSERT_STABLE(OutputStable, valid_o, ready_i, data_o)

endmodule
