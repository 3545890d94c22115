// SPDX-License-Identifier: Apache-2.0
// One stage of the Walsh-Hadamard transform between words, `Distance` apart. Distance + 1 cycles.
//
// It keeps the last 2 * Distance words and has one adder a lane: while a pair's second word comes in it gives their sum, and
// `Distance` cycles later, when both lie in the delay line, their difference. So words leave in the order in which they came.
// It runs freely; a block, once begun, must come without a gap.

module fpq_hadamard_far #(
  parameter int Words = 8,
  parameter int Width = 16,
  parameter int Distance = 1
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       first_i,  // the first word of a block
  input  logic [Words*Width-1:0]     data_i,
  output logic                       first_o,
  output logic [Words*(Width+1)-1:0] data_o
);

  localparam int CountWidth = $clog2(Distance) + 1;

  logic [CountWidth-1:0] count_q;
  logic sum, difference;
  logic [Words*Width-1:0] once, twice;
  logic [Distance-1:0] first_q;

  assign sum = ~difference;
  assign difference = ~count_q[CountWidth-1] | first_i;

  always_ff @(posedge clk_i) begin
    count_q <= first_i ? CountWidth'(1) : count_q + 1'b1;
    if (!rst_ni) {first_o, first_q} <= '0;
    else {first_o, first_q} <= (Distance + 1)'({first_q, first_i});
  end

  fpq_delay #(.Width(Words*Width), .Cycles(Distance)) u_once (
    .clk_i, .data_i, .data_o(once)
  );
  fpq_delay #(.Width(Words*Width), .Cycles(Distance)) u_twice (
    .clk_i, .data_i(once), .data_o(twice)
  );

  for (genvar i = 0; i < Words; i++) begin : gen_lane
    logic signed [Width-1:0] a, b;
    assign a = sum ? once[i*Width +: Width] : twice[i*Width +: Width];
    assign b = sum ? data_i[i*Width +: Width] : ~once[i*Width +: Width];
    always_ff @(posedge clk_i) begin
      data_o[i*(Width+1) +: Width+1] <= {a[Width-1], a} + {b[Width-1], b} + (Width + 1)'(difference);
    end
  end

endmodule
