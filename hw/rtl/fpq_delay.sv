// SPDX-License-Identifier: Apache-2.0
// A delay without reset, which synthesis makes of shift registers.

module fpq_delay #(
  parameter int Width = 1,
  parameter int Cycles = 1  // 0: a wire
) (
  input  logic             clk_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);

  if (Cycles == 0) begin : gen_wire
    assign data_o = data_i;
  end else if (Cycles == 1) begin : gen_register
    always_ff @(posedge clk_i) data_o <= data_i;
  end else begin : gen_shift
    logic [Cycles*Width-1:0] line_q;
    always_ff @(posedge clk_i) line_q <= {line_q[(Cycles-1)*Width-1:0], data_i};
    assign data_o = line_q[(Cycles-1)*Width +: Width];
  end

endmodule
