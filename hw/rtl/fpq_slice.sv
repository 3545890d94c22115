// SPDX-License-Identifier: Apache-2.0
// A register slice: outputs and ready_o are registers, one entry a cycle. It cuts both ways: what depends on the data need not
// wait for a memory before it, and what depends on ready_o not for the taker.

`include "fpq_assert.svh"

module fpq_slice #(
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

  // Taken when the output was not: it goes next.
  logic [Width-1:0] spare_q;
  logic load;

  assign load = ~valid_o | ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_o <= 1'b0;
      ready_o <= 1'b1;
    end else begin
      valid_o <= ~load | valid_i | ~ready_o;
      ready_o <= load | (ready_o & ~valid_i);
    end
    if (load) data_o <= ready_o ? data_i : spare_q;
    if (ready_o) spare_q <= data_i;
  end

  `FPQ_ASSERT_STABLE(OutputStable, valid_o, ready_i, data_o)

endmodule
