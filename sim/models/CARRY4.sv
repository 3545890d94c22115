// SPDX-License-Identifier: Apache-2.0
// Simulation model of the primitive. CI and CYINIT exclude each other: the other is 0.

module CARRY4 (
  output logic [3:0] O,
  output logic [3:0] CO,
  input  logic       CI,
  input  logic       CYINIT,
  input  logic [3:0] DI,
  input  logic [3:0] S
);

  logic [4:0] carry;

  assign carry[0] = CI | CYINIT;
  for (genvar i = 0; i < 4; i++) begin : gen_bits
    assign carry[i+1] = S[i] ? carry[i] : DI[i];
  end
  assign CO = carry[4:1];
  assign O  = S ^ carry[3:0];

endmodule
