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

  // Cycle 1: how far a subnormal's leading one is below the hidden bit's place.
  logic [9:0] mantissa_q;
  logic [5:0] exponent_q;  // but for the shift
  logic subnormal, subnormal_q, zero_q;
  logic [3:0] shift, shift_q;

  assign subnormal = scale_i[14:10] == '0;

  always_comb begin
    shift = '0;
    for (int i = 0; i < 10; i++) begin
      if (scale_i[i]) shift = 4'(10 - i);
    end
  end

  always_ff @(posedge clk_i) begin
    mantissa_q  <= scale_i[9:0];
    exponent_q  <= subnormal ? 6'(ScaleBias - 24) : 6'(scale_i[14:10]) + 6'(ScaleBias - 25);
    subnormal_q <= subnormal;
    zero_q      <= subnormal & (scale_i[9:0] == '0);
    shift_q     <= subnormal ? shift : 4'd0;
  end

  // Cycle 2: shift it there.
  always_ff @(posedge clk_i) begin
    scale_o.significand <= {~subnormal_q, mantissa_q} << shift_q;
    scale_o.exponent    <= zero_q ? '0 : exponent_q - 6'(shift_q);
    scale_o.zero        <= zero_q;
  end

endmodule
