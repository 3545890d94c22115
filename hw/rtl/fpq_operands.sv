// SPDX-License-Identifier: Apache-2.0
// The activations' side of an array, which all banks share: codes of a chunk to what the dot units multiply, once a row. A lane
// comes as late as its dot unit wants it; fpq_array's latency counts it in.

module fpq_operands
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Rows = 4,
  parameter int Lanes = 32,
  parameter bit Fp6Dsp = DefaultFp6Dsp,  // see fpq_array
  localparam int CodeBits = code_bits(Family),
  localparam int OperandBits = operand_bits(Target, Family, Fp6Dsp)
) (
  input  logic                              clk_i,
  input  pass_e                             pass_i,
  input  logic [Rows*Lanes*CodeBits-1:0]    codes_i,    // row r, lane l at r * Lanes + l
  output logic [Rows*Lanes*OperandBits-1:0] operands_o  // likewise
);

  if (is_mapped(Target, Family) && Family == fpq_pkg::FamilyFp4) begin : gen_fp4
    for (genvar i = 0; i < Rows * Lanes; i++) begin : gen_lanes
      logic [5:0] code;

      fpq_delay #(
        .Width (6),
        .Cycles(adds_in_dsp(Target) ? dsp_stage(i % Lanes) : 0)
      ) u_stage (
        .clk_i,
        .data_i({pass_i, codes_i[4*i+:4]}),
        .data_o(code)
      );
      fpq_recode_a_fp4 u_recode (
        .clk_i,
        .code_i   (code),
        .classes_o(operands_o[OperandBits*i+:OperandBits])
      );
    end
  end else if (is_mapped(Target, Family) && Fp6Dsp) begin : gen_fp6_dsp
    for (genvar i = 0; i < Rows * Lanes; i++) begin : gen_lanes
      fpq_recode_a_fp6 #(
        .Late(i % Lanes % Fp6Cascade)
      ) u_recode (
        .clk_i,
        .pass_i,
        .code_i (codes_i[6*i+:6]),
        .units_o(operands_o[OperandBits*i+:OperandBits])
      );
    end
  end else if (is_mapped(Target, Family)) begin : gen_fp6_lut
    for (genvar i = 0; i < Rows * Lanes; i++) begin : gen_lanes
      fpq_recode_a_fp6_lut u_recode (
        .clk_i,
        .pass_i,
        .code_i  (codes_i[6*i+:6]),
        .triple_o(operands_o[OperandBits*i+:OperandBits])
      );
    end
  end else begin : gen_generic
    logic unused;
    assign unused = ^{clk_i, pass_i};
    assign operands_o = codes_i;
  end

endmodule
