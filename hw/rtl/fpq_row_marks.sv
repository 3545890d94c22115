// SPDX-License-Identifier: Apache-2.0
// Counts the words of a job's rows and tells where groups, blocks and rows end.

`include "fpq_assert.svh"

module fpq_row_marks #(
  parameter int Words = 8  // elements a word
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  // A job: the next rows have this form.
  input  logic                     cfg_valid_i,
  output logic                     cfg_ready_o,
  input  logic [31:0]              cfg_rows_i,
  input  logic [13:0]              cfg_k_i,
  input  logic [13:0]              cfg_group_i,
  input  logic                     cfg_ght_i,
  input  logic                     cfg_dual_i,
  // Words are expected; one is taken; its marks (nonfinite is left to others).
  output logic                     busy_o,
  input  logic                     take_i,
  output fpq_prologue_pkg::marks_t marks_o
);

  localparam int PartWords = 32 / Words;
  localparam int StepWidth = PartWords > 1 ? $clog2(PartWords) : 1;

  // All lengths count parts of 32 elements.
  logic [8:0] k_q, group_q, row_left_q, group_left_q;
  logic [31:0] rows_q;
  logic [1:0] block_q;
  logic [StepWidth-1:0] step_q;
  logic ght_q, dual_q, part_last, row_end, group_end;

  assign cfg_ready_o = ~busy_o;
  assign part_last = step_q == StepWidth'(PartWords - 1);
  assign row_end   = row_left_q == 9'd1;
  assign group_end = row_end | (group_left_q == 9'd1);

  assign marks_o.ght = ght_q;
  assign marks_o.dual = dual_q;
  assign marks_o.block_first = (step_q == '0) & (block_q == 2'd0);
  assign marks_o.part_last = part_last;
  assign marks_o.segment_last = part_last & (group_end | (ght_q & (block_q == 2'd3)));
  assign marks_o.group_last = part_last & group_end;
  assign marks_o.row_last = part_last & row_end;
  assign marks_o.nonfinite = 1'b0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_o <= 1'b0;
    end else if (cfg_valid_i & cfg_ready_o) begin
      busy_o <= 1'b1;
    end else if (take_i & part_last & row_end & (rows_q == 32'd1)) begin
      busy_o <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (cfg_valid_i & cfg_ready_o) begin
      rows_q       <= cfg_rows_i;
      k_q          <= cfg_k_i[13:5];
      row_left_q   <= cfg_k_i[13:5];
      group_q      <= cfg_group_i[13:5];
      group_left_q <= cfg_group_i[13:5];
      ght_q        <= cfg_ght_i;
      dual_q       <= cfg_dual_i;
      step_q       <= '0;
      block_q      <= '0;
    end else if (take_i) begin
      step_q <= part_last ? '0 : step_q + 1'b1;
      if (part_last) begin
        row_left_q   <= row_end ? k_q : row_left_q - 1'b1;
        group_left_q <= group_end ? group_q : group_left_q - 1'b1;
        block_q      <= row_end ? 2'd0 : block_q + 1'b1;
        if (row_end) rows_q <= rows_q - 1'b1;
      end
    end
  end

  logic unused_low;
  assign unused_low = ^{cfg_k_i[4:0], cfg_group_i[4:0]};

  `FPQ_REQUIRE(gen_bad_words, Words >= 1 && 32 % Words == 0, "fpq_row_marks: Words must divide 32")
  `FPQ_ASSERT(TakeWhenBusy, !(take_i && !busy_o))
  `FPQ_ASSERT(LegalRows, !(cfg_valid_i && cfg_rows_i == 0))
  `FPQ_ASSERT(LegalK, !(cfg_valid_i && (cfg_k_i[13:5] == 0 || cfg_k_i[4:0] != 0)))
  `FPQ_ASSERT(LegalGroup, !(cfg_valid_i && (cfg_group_i[13:5] == 0 || cfg_group_i[4:0] != 0)))
  `FPQ_ASSERT(LegalBlocks, !(cfg_valid_i && cfg_ght_i && cfg_k_i[6:0] != 0))
  `FPQ_ASSERT_STABLE(JobStable, cfg_valid_i, cfg_ready_o,
                     {cfg_rows_i, cfg_k_i, cfg_group_i, cfg_ght_i, cfg_dual_i})

endmodule
