// SPDX-License-Identifier: Apache-2.0
// The dot products of fpq_array for FP4, of LUT primitives: operands are recoded once a row or column, multiplied by cells
// of 7.5 LUTs, and added by DSP slices, or by three-operand adders, whose carry-ins take the products' signs.

module fpq_array_fp4
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetUltrascale,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  localparam int ClassBits = Fp4ClassBits,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp4)
) (
  input  logic                            clk_i,
  input  logic                            valid_i,
  input  logic                            first_i,
  input  logic                            last_i,
  input  logic [Rows*Lanes*ClassBits-1:0] a_classes_i,  // of fpq_operands
  input  logic [Columns*Lanes*4-1:0]      w_codes_i,
  output logic [Rows*Columns*SumBits-1:0] sums_o
);

  localparam bit InDsp = adds_in_dsp(Target);
  localparam int TreeCycle = fp4_sum_cycle(Target, Lanes);

  // Control beside the tree's result, and a cycle later.
  logic valid, first, last, last_q;

  fpq_delay #(
    .Width (3),
    .Cycles(TreeCycle)
  ) u_control (
    .clk_i,
    .data_i({valid_i, first_i, valid_i & last_i}),
    .data_o({valid, first, last})
  );

  always_ff @(posedge clk_i) begin
    last_q <= last;
  end

  logic [Columns*Lanes*ClassBits-1:0] w_classes;

  // A lane comes as late as its DSP slice stands in the cascade; the activations' are so already.
  for (genvar i = 0; i < Columns * Lanes; i++) begin : gen_weights
    logic [3:0] code;

    fpq_delay #(
      .Width (4),
      .Cycles(InDsp ? dsp_stage(i % Lanes) : 0)
    ) u_stage (
      .clk_i,
      .data_i(w_codes_i[4*i+:4]),
      .data_o(code)
    );
    fpq_recode_w_fp4 u_recode (
      .clk_i,
      .code_i   (code),
      .classes_o(w_classes[ClassBits*i+:ClassBits])
    );
  end

  for (genvar r = 0; r < Rows; r++) begin : gen_rows
    for (genvar c = 0; c < Columns; c++) begin : gen_columns
      if (InDsp) begin : gen_dsp
        fpq_dot_fp4_dsp #(
          .Target(Target),
          .Lanes (Lanes),
          .ABits (ClassBits),
          .WBits (ClassBits)
        ) u_dot (
          .clk_i,
          .valid_i(valid),
          .first_i(first),
          .keep_i (last_q),
          .a_i    (a_classes_i[r*Lanes*ClassBits+:Lanes*ClassBits]),
          .w_i    (w_classes[c*Lanes*ClassBits+:Lanes*ClassBits]),
          .sum_o  (sums_o[(r*Columns+c)*SumBits+:SumBits])
        );
      end else begin : gen_lut
        fpq_dot_fp4 #(
          .Target(Target),
          .Lanes (Lanes),
          .ABits (ClassBits),
          .WBits (ClassBits)
        ) u_dot (
          .clk_i,
          .valid_i(valid),
          .first_i(first),
          .keep_i (last_q),
          .a_i    (a_classes_i[r*Lanes*ClassBits+:Lanes*ClassBits]),
          .w_i    (w_classes[c*Lanes*ClassBits+:Lanes*ClassBits]),
          .sum_o  (sums_o[(r*Columns+c)*SumBits+:SumBits])
        );
      end
    end
  end

endmodule
