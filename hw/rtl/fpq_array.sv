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
  localparam int CodeBits = code_bits(Family),
  localparam int SumBits = sum_bits(Family)
) (
  input  logic                              clk_i,
  input  logic                              valid_i,
  input  logic                              first_i,    // of the pass
  input  logic                              last_i,
  input  pass_e                             pass_i,
  input  logic [Rows*Lanes*CodeBits-1:0]    a_codes_i,  // row r, lane l at r * Lanes + l
  input  logic [Columns*Lanes*CodeBits-1:0] w_codes_i,  // column c, lane l at c * Lanes + l
  output logic [Rows*Columns*SumBits-1:0]   sums_o      // row r, column c at r * Columns + c
);

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
      .pass_i,
      .a_codes_i,
      .w_codes_i,
      .sums_o
    );
  end else if (is_mapped(Target, Family)) begin : gen_fp6
    fpq_array_fp6 #(
      .Target (Target),
      .Rows   (Rows),
      .Columns(Columns),
      .Lanes  (Lanes)
    ) u_array (
      .clk_i,
      .valid_i,
      .first_i,
      .last_i,
      .pass_i,
      .a_codes_i,
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
      .a_codes_i,
      .w_codes_i,
      .sums_o
    );
  end

endmodule
