// SPDX-License-Identifier: Apache-2.0
// Two FP6 weights of neighbouring columns as one operand of a DSP slice: w1 * 2^18 + w0, in units, Late + 1 cycles after the
// codes. The lower field's sign is wires: 14 bits say it all.

module fpq_pair_fp6
  import fpq_bank_pkg::*;
#(
  parameter int Late = 0
) (
  input  logic             clk_i,
  input  logic [1:0][5:0]  codes_i,
  output logic [24:0]      pair_o
);

  typedef logic [63:0][6:0] table_t;

  // The integers of the codes, and the same less one.
  function automatic table_t make_table(int signed less);
    for (int unsigned code = 0; code < 64; code++) begin
      make_table[code] = 7'(code_units(fpq_pkg::FamilyFp6, PassPlain, code) - less);
    end
  endfunction

  localparam table_t Units = make_table(0);
  localparam table_t Less = make_table(1);

  logic [6:0] low_q, high_q, low, high;
  logic negative;

  // A negative lower field takes one from the upper.
  assign negative = codes_i[0][5] && codes_i[0][4:0] != '0;

  always_ff @(posedge clk_i) begin
    low_q  <= Units[codes_i[0]];
    high_q <= negative ? Less[codes_i[1]] : Units[codes_i[1]];
  end

  fpq_delay #(
    .Width (14),
    .Cycles(Late)
  ) u_late (
    .clk_i,
    .data_i({high_q, low_q}),
    .data_o({high, low})
  );

  assign pair_o = {high, {11{low[6]}}, low};

endmodule
