// SPDX-License-Identifier: Apache-2.0
// A bias, single precision, as an internal float. Latency 2. It must be finite; a subnormal one counts as +0: the host
// writes neither. What is beyond the internal exponent is clamped: such a bias is either too small to change a sum or
// its sign, even where it is clamped, or saturates FP16 whatever the sum is.

module fpq_bias
  import fpq_bank_pkg::*;
(
  input  logic        clk_i,
  input  logic        enable_i,
  input  logic [31:0] bias_i,
  output float_t      addend_o
);

  localparam int Offset = 127 + 23 - ExponentBias;  // single precision's biased exponent less the internal one
  localparam int Largest = 2 ** ExponentBits - 3;   // room for the sum's carries

  logic [31:0] bias_q;
  logic tiny_q, huge_q, zero_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      bias_q   <= bias_i;
      zero_q   <= bias_i[30:23] == '0;
      tiny_q   <= bias_i[30:23] <= 8'(Offset);
      huge_q   <= bias_i[30:23] > 8'(Offset + Largest);
      addend_o.significand <= zero_q ? '0 : bias_q[31] ? -{2'b01, bias_q[22:0]} : {2'b01, bias_q[22:0]};
      addend_o.exponent    <= zero_q ? '0 : tiny_q ? ExponentBits'(1) : huge_q ? ExponentBits'(Largest) :
                              ExponentBits'(bias_q[30:23] - 8'(Offset));
    end
  end

endmodule
