// SPDX-License-Identifier: Apache-2.0
// Normalises an FP16 scale, subnormal ones included: value = significand * 2^(exponent - ScaleBias). Latency ScaleLatency.
// A scale is finite and not negative (docs/contract.md, 1.2): the sign bit is not looked at.

module fpq_bank_scale
  import fpq_bank_pkg::*;
(
  input  logic        clk_i,
  input  logic [15:0] scale_i,
  output scale_t      scale_o
);

  // Cycle 1: a subnormal goes left by four places, or by eight, if the first bits are zero.
  logic subnormal, top, middle;
  logic [5:0] exponent_q;
  logic [10:0] coarse_q;
  logic zero_q;

  assign subnormal = scale_i[14:10] == '0;
  assign top       = ~subnormal | (scale_i[9:7] != '0);  // one of the first four bits is set
  assign middle    = scale_i[6:3] != '0;                 // one of the next

  always_ff @(posedge clk_i) begin
    coarse_q   <= top ? {~subnormal, scale_i[9:0]} : middle ? {scale_i[6:0], 4'd0} : {scale_i[2:0], 8'd0};
    exponent_q <= ~subnormal ? 6'(scale_i[14:10]) + 6'(ScaleBias - 25) :
                  top ? 6'(ScaleBias - 24) : middle ? 6'(ScaleBias - 28) : 6'(ScaleBias - 32);
    zero_q     <= subnormal & (scale_i[9:0] == '0);
  end

  logic unused_sign;
  assign unused_sign = scale_i[15];

  // Cycle 2: the last places, three at most.
  logic [1:0] fine;

  assign fine = {~coarse_q[10] & ~coarse_q[9], ~coarse_q[10] & (coarse_q[9] | ~coarse_q[8])};

  always_ff @(posedge clk_i) begin
    scale_o.significand <= coarse_q << fine;
    scale_o.exponent    <= zero_q ? '0 : exponent_q - 6'(fine);
    scale_o.zero        <= zero_q;
  end

endmodule
