// SPDX-License-Identifier: Apache-2.0
// Simulation model of the primitive, CARRY_TYPE SINGLE_CY8 only.

module CARRY8 (
  output logic [7:0] O,
  output logic [7:0] CO,
  input  logic       CI,
  input  logic       CI_TOP,
  input  logic [7:0] DI,
  input  logic [7:0] S
);

  logic [8:0] carry;

  assign carry[0] = CI;
  for (genvar i = 0; i < 8; i++) begin : gen_bits
    assign carry[i+1] = S[i] ? carry[i] : DI[i];
  end
  assign CO = carry[8:1];
  assign O  = S ^ carry[7:0];

  logic unused;
  assign unused = CI_TOP;

endmodule
