// SPDX-License-Identifier: Apache-2.0
// The largest of the FP16 exponent fields of each block, subnormals counted as 1.
// Pipelined: log2(Words) + 1 cycles.

module fpq_exponent_max #(
  parameter int Words = 8
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               valid_i,
  input  logic               last_i,
  input  logic [Words*5-1:0] fields_i,
  output logic               valid_o,    // a block's last word
  output logic [4:0]         exponent_o
);

  localparam int Levels = $clog2(Words);

  // Level l has Words >> l candidates in the low entries.
  logic [Words*5-1:0] field [Levels+1];
  logic [Levels:0] valid, last;

  assign valid[0] = valid_i;
  assign last[0]  = last_i;
  assign field[0] = fields_i;

  for (genvar l = 0; l < Levels; l++) begin : gen_level
    localparam int Pairs = Words >> (l + 1);
    always_ff @(posedge clk_i) begin
      valid[l+1] <= rst_ni & valid[l];
      last[l+1]  <= last[l];
    end
    for (genvar i = 0; i < Pairs; i++) begin : gen_pair
      logic [4:0] a, b;
      assign a = field[l][i*10 +: 5];
      assign b = field[l][i*10+5 +: 5];
      always_ff @(posedge clk_i) field[l+1][i*5 +: 5] <= a > b ? a : b;
    end
    if (Pairs < Words) begin : gen_rest
      assign field[l+1][Words*5-1:Pairs*5] = '0;
    end
  end

  logic [4:0] word_max, largest, largest_q;  // of the block so far
  logic [4:0] unused_sum;
  logic greater;
  assign word_max = field[Levels][4:0];
  assign largest  = greater ? word_max : largest_q;
  assign {greater, unused_sum} = {1'b0, word_max} + {1'b0, ~largest_q};  // a carry chain: one LUT before it

  always_ff @(posedge clk_i) begin
    valid_o    <= rst_ni & valid[Levels] & last[Levels];
    exponent_o <= largest;
    if (!rst_ni) largest_q <= 5'd1;
    else if (valid[Levels]) largest_q <= last[Levels] ? 5'd1 : largest;
  end

endmodule
