// SPDX-License-Identifier: Apache-2.0
// An FP6 activation's code to what fpq_dot_fp6 takes, two cycles later: {sign, three times the magnitude, the magnitude}.

module fpq_recode_a_fp6_lut
  import fpq_bank_pkg::*;
(
  input  logic                     clk_i,
  input  pass_e                    pass_i,
  input  logic [5:0]               code_i,
  output logic [Fp6TripleBits-1:0] triple_o
);

  typedef logic [255:0][5:0] table_t;

  // Magnitudes of activations: zero where the pass does not count the code.
  function automatic table_t make_table();
    automatic table_t result = '0;
    for (int pass = 0; pass < 3; pass++) begin
      for (int unsigned code = 0; code < 64; code++) begin
        automatic int value = code_units(fpq_pkg::FamilyFp6, pass_e'(pass), code);
        result[64*pass+code] = 6'(value < 0 ? -value : value);
      end
    end
    return result;
  endfunction

  localparam table_t Magnitudes = make_table();

  logic [5:0] magnitude_q;
  logic sign_q;

  always_ff @(posedge clk_i) begin
    magnitude_q <= Magnitudes[{pass_i, code_i}];
    sign_q      <= code_i[5];
    triple_o    <= {sign_q, 8'(magnitude_q) * 8'd3, magnitude_q};
  end

endmodule
