// SPDX-License-Identifier: Apache-2.0
// Repeats each item for `Turns` cycles from the one in which it comes, and counts them. Items come at least so far apart.

`include "fpq_assert.svh"

module fpq_turns #(
  parameter int Width = 1,
  parameter int Turns = 4,
  localparam int TurnBits = Turns > 1 ? $clog2(Turns) : 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                valid_i,
  input  logic [Width-1:0]    data_i,
  output logic                valid_o,
  output logic [Width-1:0]    data_o,
  output logic [TurnBits-1:0] turn_o
);

  if (Turns == 1) begin : gen_one
    assign valid_o = valid_i;
    assign data_o  = data_i;
    assign turn_o  = '0;
  end else begin : gen_several
    logic busy_q;  // turns 1 and up
    logic [TurnBits-1:0] turn_q;
    logic [Width-1:0] data_q;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        busy_q <= 1'b0;
        turn_q <= '0;
        data_q <= '0;
      end else if (valid_i) begin
        busy_q <= 1'b1;
        turn_q <= TurnBits'(1);
        data_q <= data_i;
      end else if (busy_q) begin
        busy_q <= turn_q != TurnBits'(Turns - 1);
        turn_q <= turn_q == TurnBits'(Turns - 1) ? '0 : turn_q + 1'b1;
      end
    end
    assign valid_o = valid_i | busy_q;
    assign data_o  = busy_q ? data_q : data_i;
    assign turn_o  = turn_q;

    `FPQ_ASSERT(FarApart, !(valid_i && busy_q))
  end

endmodule
