// SPDX-License-Identifier: Apache-2.0
// The largest of the FP16 exponent fields of each block, subnormals counted as 1.
// Pipelined: log2(Words) + 1 cycles.

module fpq_exponent_max #(
  parameter int Words = 8
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               valid_i,
  input  logic               first_i,  // of a block
  input  logic               last_i,
  input  logic [Words*5-1:0] fields_i,
  output logic               valid_o,  // each word, in order
  output logic               last_o,
  output logic [4:0]         exponent_o  // with last_o
);

  localparam int Levels = $clog2(Words);

  // Level l has Words >> l candidates in the low entries.
  logic [Words*5-1:0] field [Levels+1];
  logic [Levels:0] valid, first, last;

  assign valid[0] = valid_i;
  assign first[0] = first_i;
  assign last[0]  = last_i;
  assign field[0] = fields_i;

  for (genvar l = 0; l < Levels; l++) begin : gen_level
    localparam int Pairs = Words >> (l + 1);
    always_ff @(posedge clk_i) begin
      valid[l+1] <= rst_ni & valid[l];
      first[l+1] <= first[l];
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

  logic [4:0] word_max, base;
  assign word_max = field[Levels][4:0];
  assign base = first[Levels] ? 5'd1 : exponent_o;

  always_ff @(posedge clk_i) begin
    valid_o <= rst_ni & valid[Levels];
    last_o  <= last[Levels];
    if (valid[Levels]) exponent_o <= word_max > base ? word_max : base;
  end

endmodule
