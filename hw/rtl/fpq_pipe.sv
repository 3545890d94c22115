// SPDX-License-Identifier: Apache-2.0
// Data some cycles later, zero after reset: for control that travels beside the data.

module fpq_pipe #(
  parameter int Width = 1,
  parameter int Cycles = 1  // at least 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);

  logic [Cycles*Width-1:0] line_q;  // the oldest on top

  always_ff @(posedge clk_i) begin
    if (!rst_ni) line_q <= '0;
    else line_q <= (Cycles*Width)'({line_q, data_i});
  end
  assign data_o = line_q[(Cycles-1)*Width+:Width];

endmodule
