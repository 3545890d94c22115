// SPDX-License-Identifier: Apache-2.0
// Rows x Columns dot units of Lanes lanes each: sums of a group pass, one chunk a cycle. sums_o changes array_latency cycles
// after a pass's last chunk and then stands until the next pass ends.

module fpq_array
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  parameter bit Shared = 1'b0,  // activations come from an fpq_operands that arrays share; else as codes
  parameter bit Fp6Dsp = DefaultFp6Dsp,  // FP6 in DSP slices, else in LUTs, where the target has them
  localparam int CodeBits = code_bits(Family),
  localparam int OperandBits = operand_bits(Target, Family, Fp6Dsp),
  localparam int ABits = Shared ? OperandBits : CodeBits,
  localparam int SumBits = sum_bits(Family)
) (
  input  logic                              clk_i,
  input  logic                              valid_i,
  input  logic                              first_i,    // of the pass
  input  logic                              last_i,
  input  pass_e                             pass_i,
  input  logic [Rows*Lanes*ABits-1:0]       a_codes_i,  // row r, lane l at r * Lanes + l; Shared: operands
  input  logic [Columns*Lanes*CodeBits-1:0] w_codes_i,  // column c, lane l at c * Lanes + l
  output logic [Rows*Columns*SumBits-1:0]   sums_o      // row r, column c at r * Columns + c
);

  logic [Rows*Lanes*OperandBits-1:0] operands;

  if (Shared) begin : gen_shared
    logic unused;
    assign operands = a_codes_i;
    assign unused = ^pass_i;  // of the mapped arrays, which get operands already chosen by it
  end else begin : gen_own
    fpq_operands #(
      .Target(Target),
      .Family(Family),
      .Rows  (Rows),
      .Lanes (Lanes),
      .Fp6Dsp(Fp6Dsp)
    ) u_operands (
      .clk_i,
      .pass_i,
      .codes_i   (a_codes_i),
      .operands_o(operands)
    );
  end

  if (is_mapped(Target, Family) && Family == fpq_pkg::FamilyFp4) begin : gen_fp4
    fpq_array_fp4 #(
      .Target (Target),
      .Rows   (Rows),
      .Columns(Columns),
      .Lanes  (Lanes)
    ) u_array (
      .clk_i,
      .valid_i,
      .first_i,
      .last_i,
      .a_classes_i(operands),
      .w_codes_i,
      .sums_o
    );
  end else if (is_mapped(Target, Family) && Fp6Dsp) begin : gen_fp6_dsp
    fpq_array_fp6_dsp #(
      .Target (Target),
      .Rows   (Rows),
      .Columns(Columns),
      .Lanes  (Lanes)
    ) u_array (
      .clk_i,
      .valid_i,
      .first_i,
      .last_i,
      .a_units_i(operands),
      .w_codes_i,
      .sums_o
    );
  end else if (is_mapped(Target, Family)) begin : gen_fp6_lut
    fpq_array_fp6_lut #(
      .Target (Target),
      .Rows   (Rows),
      .Columns(Columns),
      .Lanes  (Lanes)
    ) u_array (
      .clk_i,
      .valid_i,
      .first_i,
      .last_i,
      .a_triples_i(operands),
      .w_codes_i,
      .sums_o
    );
  end else begin : gen_generic
    fpq_array_generic #(
      .Family (Family),
      .Rows   (Rows),
      .Columns(Columns),
      .Lanes  (Lanes)
    ) u_array (
      .clk_i,
      .valid_i,
      .first_i,
      .last_i,
      .pass_i,
      .a_codes_i(operands),
      .w_codes_i,
      .sums_o
    );
  end

endmodule
