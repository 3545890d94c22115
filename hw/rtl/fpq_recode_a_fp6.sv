// SPDX-License-Identifier: Apache-2.0
// An FP6 activation as a signed integer in units, Late + 1 cycles after its code: zero where the pass does not count it.

module fpq_recode_a_fp6
  import fpq_bank_pkg::*;
#(
  parameter int Late = 0
) (
  input  logic              clk_i,
  input  pass_e             pass_i,
  input  logic [5:0]        code_i,
  output logic signed [6:0] units_o
);

  typedef logic [255:0][6:0] table_t;

  function automatic table_t make_table();
    automatic table_t result = '0;
    for (int unsigned code = 0; code < 64; code++) begin
      result[0*64+code] = 7'(code_units(fpq_pkg::FamilyFp6, PassPlain, code));
      result[1*64+code] = 7'(code_units(fpq_pkg::FamilyFp6, PassPositive, code));
      result[2*64+code] = 7'(code_units(fpq_pkg::FamilyFp6, PassNegative, code));
    end
    return result;
  endfunction

  localparam table_t Table = make_table();

  logic [6:0] units_q;

  always_ff @(posedge clk_i) begin
    units_q <= Table[{pass_i, code_i}];
  end

  fpq_delay #(
    .Width (7),
    .Cycles(Late)
  ) u_late (
    .clk_i,
    .data_i(units_q),
    .data_o(units_o)
  );

endmodule
