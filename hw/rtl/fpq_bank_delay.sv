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

  logic [Cycles-1:0][Width-1:0] stages_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      for (int i = 1; i < Cycles; i++) stages_q[i] <= stages_q[i-1];
      stages_q[0] <= data_i;
    end
  end
  assign data_o = stages_q[Cycles-1];

endmodule
