// SPDX-License-Identifier: Apache-2.0
// The dot products of fpq_array for FP6 in LUTs: activations come as a magnitude, three times it and a sign; weights become two
// digits, a shift and a sign once a column.

module fpq_array_fp6_lut
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetSeries7,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp6)
) (
  input  logic                            clk_i,
  input  logic                            valid_i,
  input  logic                            first_i,
  input  logic                            last_i,
  input  logic [Rows*Lanes*Fp6TripleBits-1:0] a_triples_i,  // of fpq_operands
  input  logic [Columns*Lanes*6-1:0]      w_codes_i,
  output logic [Rows*Columns*SumBits-1:0] sums_o
);

  // Control beside the tree's result, and a cycle later.
  logic valid, first, last, last_q;

  fpq_delay #(
    .Width (3),
    .Cycles(fp6_lut_sum_cycle(Lanes))
  ) u_control (
    .clk_i,
    .data_i({valid_i, first_i, valid_i & last_i}),
    .data_o({valid, first, last})
  );

  logic [Rows-1:0][Lanes-1:0][14:0] a, a_late_q;
  // Weights as codes for two cycles, then in turn: the lower digit; the upper and the sign; the shift.
  logic [Columns-1:0][Lanes-1:0][5:0] w_q;
  logic [Columns-1:0][Lanes-1:0][1:0] d0_q, shift_q, shift_late_q, shift_last_q;
  logic [Columns-1:0][Lanes-1:0][2:0] upper_q, upper_late_q;

  assign a = a_triples_i;

  always_ff @(posedge clk_i) begin
    last_q <= last;
    w_q    <= w_codes_i;
    for (int c = 0; c < Columns; c++) begin
      for (int l = 0; l < Lanes; l++) begin
        d0_q[c][l]    <= w_q[c][l][1:0];
        upper_q[c][l] <= {w_q[c][l][5], w_q[c][l][4:3] != 2'd0, w_q[c][l][2]};
        shift_q[c][l] <= {w_q[c][l][4:3] == 2'd3, w_q[c][l][4:3] == 2'd2};
      end
    end
    a_late_q     <= a;
    upper_late_q <= upper_q;
    shift_late_q <= shift_q;
    shift_last_q <= shift_late_q;
  end

  for (genvar r = 0; r < Rows; r++) begin : gen_rows
    logic [Lanes-1:0][13:0] a_row;

    for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
      assign a_row[l] = a[r][l][13:0];
    end
    for (genvar c = 0; c < Columns; c++) begin : gen_columns
      fpq_dot_fp6 #(
        .Target(Target),
        .Lanes (Lanes)
      ) u_dot (
        .clk_i,
        .valid_i (valid),
        .first_i (first),
        .keep_i  (last_q),
        .a_i     (a_row),
        .d0_i    (d0_q[c]),
        .a_late_i(a_late_q[r]),
        .w_late_i(upper_late_q[c]),
        .shift_i (shift_last_q[c]),
        .sum_o   (sums_o[(r*Columns+c)*SumBits+:SumBits])
      );
    end
  end

endmodule
