// SPDX-License-Identifier: Apache-2.0
// An FP4 dot unit whose products are added by DSP slices, four adders of 12 bits each: a cascade of DspStages slices sums
// 32 lanes to four fields. Lane l belongs to slice (l % 32) / 8 and comes that many cycles late, so that a cascade needs no
// registers but the slices' own. A product whose sign is set comes complemented, one too small; the signs are counted apart.
//
// valid_i and first_i come dot_dsp_cycles(Lanes) after the operands of the first slice; sum_o is the sum of the last pass for
// which keep_i was given, a cycle after valid_i's last.

`include "fpq_assert.svh"

module fpq_dot_fp4_dsp
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetUltrascale,
  parameter int Lanes = 32,
  parameter bit Dual = 1,    // the activations may be of the dual format's negative half too
  parameter int ABits = 13,  // classes and sign of a recoded operand
  parameter int WBits = 13,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp4)
) (
  input  logic                   clk_i,
  input  logic                   valid_i,
  input  logic                   first_i,
  input  logic                   keep_i,
  input  logic [Lanes*ABits-1:0] a_i,
  input  logic [Lanes*WBits-1:0] w_i,
  output logic [SumBits-1:0]     sum_o
);

  localparam int Blocks = Lanes / 32;
  localparam int FieldBits = 12;
  localparam int Fields = 4 * Blocks;
  localparam int FieldLargest = 2 ** FieldBits - 1;
  localparam int FieldWidth = tree_width(Fields, FieldLargest);
  localparam int CountWidth = tree_width(Lanes / 2, 1);
  // Each field holds its sum + 2^11: all of them a power of two, which the second operand's high bits take away.
  localparam int OffsetBit = $clog2(Fields) + FieldBits - 1;
  localparam int JoinLargest = 2 ** FieldWidth - 1;
  localparam int JoinWidth = tree_width(4, JoinLargest);
  localparam int CountWait = 2 + tree_levels(Fields) - tree_levels(Lanes / 2);

  `FPQ_REQUIRE(gen_bad_lanes, Lanes == 32 || Lanes == 64 || Lanes == 128,
               "fpq_dot_fp4_dsp: Lanes must be 32, 64 or 128")

  // Products, and their signs, slice by slice.
  logic [Lanes-1:0] signs, signs_late;
  logic [Lanes*FieldBits-1:0] products;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
    logic [7:0] product;

    if (Dual) begin : gen_dual
      fpq_product_fp4 u_product (
        .a_i      (a_i[l*ABits+:ABits]),
        .b_i      (w_i[l*WBits+:WBits]),
        .product_o(product),
        .one_o    (signs[l])
      );
    end else begin : gen_plain
      fpq_product_e2m1 u_product (
        .a_i      (a_i[l*ABits+:ABits]),
        .b_i      (w_i[l*WBits+:WBits]),
        .product_o(product),
        .one_o    (signs[l])
      );
    end
    assign products[l*FieldBits+:FieldBits] = {{4{signs[l]}}, product};

    // The signs of all slices together.
    fpq_delay #(
      .Width (1),
      .Cycles(DspStages - 1 - dsp_stage(l))
    ) u_sign (
      .clk_i,
      .data_i(signs[l]),
      .data_o(signs_late[l])
    );
  end

  logic [Fields*FieldBits-1:0] fields;

  for (genvar b = 0; b < Blocks; b++) begin : gen_blocks
    logic [DspStages-1:0][47:0] cascade, results;

    for (genvar s = 0; s < DspStages; s++) begin : gen_stages
      fpq_dsp_add #(
        .Target(Target),
        .First (s == 0)
      ) u_add (
        .clk_i,
        .a_i      (products[(32*b+8*s)*FieldBits+:48]),
        .b_i      (products[(32*b+8*s+4)*FieldBits+:48]),
        .cascade_i(s == 0 ? '0 : cascade[s == 0 ? 0 : s - 1]),
        .cascade_o(cascade[s]),
        .p_o      (results[s])
      );
    end
    assign fields[48*b+:48] = results[DspStages-1];

    logic unused;
    assign unused = ^cascade[DspStages-1];
  end

  // Both sums down to two operands each, then all four to two.
  logic [2*FieldWidth-1:0] field_operands;
  logic [2*CountWidth-1:0] count_early, count_operands;
  logic [1:0] ones_early, ones, unused_ones;
  logic [1:0][JoinWidth-1:0] operands;
  logic [SumBits-1:0] first_operand, second_operand, sum, sum_q;

  fpq_sum #(
    .Target (Target),
    .Count  (Fields),
    .Largest(FieldLargest)
  ) u_fields (
    .clk_i,
    .operands_i(fields),
    .ones_i    ('0),
    .operands_o(field_operands),
    .ones_o    (unused_ones)
  );

  fpq_sum #(
    .Target (Target),
    .Count  (Lanes / 2),
    .Largest(1)
  ) u_signs (
    .clk_i,
    .operands_i(signs_late[Lanes/2-1:0]),
    .ones_i    (signs_late[Lanes-1:Lanes/2]),
    .operands_o(count_early),
    .ones_o    (ones_early)
  );

  fpq_delay #(
    .Width (2 * CountWidth + 2),
    .Cycles(CountWait)
  ) u_counts (
    .clk_i,
    .data_i({ones_early, count_early}),
    .data_o({ones, count_operands})
  );

  fpq_sum #(
    .Target (Target),
    .Count  (4),
    .Largest(JoinLargest)
  ) u_join (
    .clk_i,
    .operands_i({
      field_operands[FieldWidth+:FieldWidth],
      FieldWidth'(count_operands[CountWidth+:CountWidth]),
      FieldWidth'(count_operands[0+:CountWidth]),
      field_operands[0+:FieldWidth]
    }),
    .ones_i    ({2'b00, ones}),
    .operands_o(operands),
    .ones_o    ()
  );

  assign first_operand  = SumBits'(operands[0]);
  assign second_operand = {{(SumBits - OffsetBit) {1'b1}}, operands[1][OffsetBit-1:0]};

  fpq_add3 #(
    .Target  (Target),
    .Width   (SumBits),
    .SumWidth(SumBits)
  ) u_accumulate (
    .x_i    (first_operand),
    .y_i    (second_operand),
    .z_i    (sum_q),
    .clear_i(first_i),
    .ones_i (2'b00),
    .sum_o  (sum)
  );

  always_ff @(posedge clk_i) begin
    if (valid_i) sum_q <= sum;
    // The finished sum stands while the next pass begins.
    if (keep_i) sum_o <= sum_q;
  end

endmodule
