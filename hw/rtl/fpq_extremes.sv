// SPDX-License-Identifier: Apache-2.0
// The largest and the smallest of each 32 elements. Pipelined: log2(Words) + 1 cycles.

module fpq_extremes #(
  parameter int Words = 8,
  parameter int Width = 23,
  parameter int SideWidth = 1  // what passes along with a part's last word
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    valid_i,
  input  logic                    last_i,  // the word is its part's last
  input  logic [SideWidth-1:0]    side_i,
  input  logic [Words*Width-1:0]  data_i,  // two's complement
  output logic                    valid_o,
  output logic [SideWidth-1:0]    side_o,
  output logic signed [Width-1:0] largest_o,
  output logic signed [Width-1:0] smallest_o
);

  localparam int Levels = $clog2(Words);

  // Level l has Words >> l candidates each in its low entries.
  logic [Words*Width-1:0] high [Levels+1];
  logic [Words*Width-1:0] low [Levels+1];
  logic [Levels:0] valid, last;

  assign valid[0] = valid_i;
  assign last[0]  = last_i;
  assign high[0]  = data_i;
  assign low[0]   = data_i;

  fpq_delay #(.Width(SideWidth), .Cycles(Levels + 1)) u_side (
    .clk_i, .data_i(side_i), .data_o(side_o)
  );

  for (genvar l = 0; l < Levels; l++) begin : gen_level
    localparam int Pairs = Words >> (l + 1);
    always_ff @(posedge clk_i) begin
      valid[l+1] <= rst_ni & valid[l];
      last[l+1]  <= last[l];
    end
    for (genvar i = 0; i < Pairs; i++) begin : gen_pair
      logic signed [Width-1:0] high_a, high_b, low_a, low_b;
      assign high_a = high[l][(2*i)*Width +: Width];
      assign high_b = high[l][(2*i+1)*Width +: Width];
      assign low_a  = low[l][(2*i)*Width +: Width];
      assign low_b  = low[l][(2*i+1)*Width +: Width];
      always_ff @(posedge clk_i) begin
        high[l+1][i*Width +: Width] <= high_a > high_b ? high_a : high_b;
        low[l+1][i*Width +: Width]  <= low_a > low_b ? low_b : low_a;
      end
    end
    assign high[l+1][Words*Width-1:Pairs*Width] = '0;
    assign low[l+1][Words*Width-1:Pairs*Width]  = '0;
  end

  // Over the words of a part.
  logic first_q;
  logic signed [Width-1:0] word_high, word_low;

  assign word_high = high[Levels][Width-1:0];
  assign word_low  = low[Levels][Width-1:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      first_q <= 1'b1;
      valid_o <= 1'b0;
    end else begin
      if (valid[Levels]) first_q <= last[Levels];
      valid_o <= valid[Levels] & last[Levels];
    end
    if (valid[Levels]) begin
      largest_o  <= (first_q | (word_high > largest_o)) ? word_high : largest_o;
      smallest_o <= (first_q | (word_low < smallest_o)) ? word_low : smallest_o;
    end
  end

endmodule
