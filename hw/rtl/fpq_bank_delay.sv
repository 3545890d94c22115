// SPDX-License-Identifier: Apache-2.0
// Data some enabled cycles later, without reset: shift registers of a LUT a bit where the device has them.

module fpq_bank_delay #(
  parameter int Width = 1,
  parameter int Cycles = 1  // at least 1
) (
  input  logic             clk_i,
  input  logic             enable_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);

  logic [Cycles*Width-1:0] line_q;  // the oldest on top

  always_ff @(posedge clk_i) begin
    if (enable_i) line_q <= (Cycles*Width)'({line_q, data_i});
  end
  assign data_o = line_q[(Cycles-1)*Width+:Width];

endmodule
