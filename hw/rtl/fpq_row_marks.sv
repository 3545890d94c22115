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
  localparam int StepWidth = $clog2(4 * PartWords);

  // Lengths count words. What is left of a row, of a group, of the rows: less 2, so that the sign tells of the last one.
  localparam int WordLog2 = $clog2(Words);
  localparam int LengthBits = 14 - WordLog2;
  localparam int LeftBits = LengthBits + 1;
  logic [LengthBits-1:0] k_q, group_q;
  logic [LeftBits-1:0] row_left_q, group_left_q;
  logic [32:0] rows_left_q;
  logic [StepWidth-1:0] step_q;  // words of a block; a transformed row is a whole number of blocks
  logic ght_q, dual_q, part_last, row_end, group_end;  // part_last: a register

  // Between jobs every cycle begins one; it is the next job's if that is there. So taking a word asks less.
  assign cfg_ready_o = ~busy_o;
  assign row_end   = row_left_q[LeftBits-1];
  assign group_end = row_end | group_left_q[LeftBits-1];

  assign marks_o.ght = ght_q;
  assign marks_o.dual = dual_q;
  assign marks_o.block_first = step_q == '0;
  assign marks_o.part_last = part_last;
  assign marks_o.segment_last = group_end | (ght_q & (&step_q));
  assign marks_o.group_last = group_end;
  assign marks_o.row_last = row_end;
  assign marks_o.nonfinite = 1'b0;

  always_ff @(posedge clk_i) begin
    busy_o <= rst_ni & (busy_o ? ~(take_i & row_end & rows_left_q[32]) : cfg_valid_i);
  end

  // A counter goes on by one, or begins again: one adder for both.
  function automatic logic [LeftBits-1:0] next_left(logic again, logic [LengthBits-1:0] length,
                                                    logic [LeftBits-1:0] left);
    return (again ? LeftBits'(length) : left) + {{LeftBits-1{1'b1}}, ~again};
  endfunction

  always_ff @(posedge clk_i) begin
    if (cfg_ready_o) begin
      k_q     <= cfg_k_i[13:WordLog2];
      group_q <= cfg_group_i[13:WordLog2];
      ght_q   <= cfg_ght_i;
      dual_q  <= cfg_dual_i;
      step_q  <= '0;
      part_last <= PartWords == 1;
    end else if (take_i) begin
      step_q    <= step_q + 1'b1;
      part_last <= PartWords == 1 || step_q % StepWidth'(PartWords) == StepWidth'(PartWords - 2);
    end
    if (cfg_ready_o | take_i) begin
      row_left_q   <= next_left(cfg_ready_o | row_end, cfg_ready_o ? cfg_k_i[13:WordLog2] : k_q, row_left_q);
      group_left_q <= next_left(cfg_ready_o | group_end, cfg_ready_o ? cfg_group_i[13:WordLog2] : group_q,
                                group_left_q);
    end
    if (cfg_ready_o | (take_i & row_end)) begin
      rows_left_q <= (cfg_ready_o ? {1'b0, cfg_rows_i} : rows_left_q) + {32'hffff_ffff, ~cfg_ready_o};
    end
  end

  logic unused_low;
  assign unused_low = ^{cfg_k_i[WordLog2-1:0], cfg_group_i[WordLog2-1:0]};

  `FPQ_REQUIRE(gen_bad_words, Words >= 2 && 32 % Words == 0, "fpq_row_marks: Words must divide 32")
  `FPQ_ASSERT(TakeWhenBusy, !(take_i && !busy_o))
  `FPQ_ASSERT(LegalRows, !(cfg_valid_i && cfg_rows_i == 0))
  `FPQ_ASSERT(LegalK, !(cfg_valid_i && (cfg_k_i[13:5] == 0 || cfg_k_i[4:0] != 0)))
  `FPQ_ASSERT(LegalGroup, !(cfg_valid_i && (cfg_group_i[13:5] == 0 || cfg_group_i[4:0] != 0)))
  `FPQ_ASSERT(LegalBlocks, !(cfg_valid_i && cfg_ght_i && cfg_k_i[6:0] != 0))
  `FPQ_ASSERT_STABLE(JobStable, cfg_valid_i, cfg_ready_o,
                     {cfg_rows_i, cfg_k_i, cfg_group_i, cfg_ght_i, cfg_dual_i})

endmodule
