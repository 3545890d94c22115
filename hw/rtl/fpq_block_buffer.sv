// SPDX-License-Identifier: Apache-2.0
// Takes rows of X word by word and sends them on. A row to be transformed leaves in whole blocks of 128 elements without a
// gap, each with the largest exponent of its block; other rows leave word by word.

`include "fpq_assert.svh"

module fpq_block_buffer #(
  parameter int Words = 8
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     valid_i,
  output logic                     ready_o,
  input  logic [Words*16-1:0]      data_i,
  input  fpq_prologue_pkg::marks_t marks_i,
  // There is room behind for a whole block; nothing sent is still on its way to the row buffer.
  input  logic                     room_i,
  input  logic                     drained_i,
  output logic                     valid_o,
  output logic [Words*16-1:0]      data_o,
  output fpq_prologue_pkg::marks_t marks_o,
  output logic [4:0]               exponent_o
);
  import fpq_prologue_pkg::*;

  localparam int BlockWords = 128 / Words;
  // Words: two blocks, and a whole LUTRAM.
  localparam int Depth = BlockWords > 16 ? 2 * BlockWords : 32;
  localparam int PtrWidth = $clog2(Depth);
  localparam int MarksWidth = $bits(marks_t);

  // Inf and NaN become the largest finite value. What comes has been shifted in its cycle: it is looked at in the next.
  logic [Words*16-1:0] raw_q, finite, data_q;
  logic [Words*5-1:0] fields;
  logic [Words-1:0] special;
  logic take, raw_valid_q, in_valid_q, row_special_q, row_special;
  logic [Words/4-1:0] special_q;  // of four elements each
  marks_t raw_marks_q, in_marks_q, write_marks;

  for (genvar i = 0; i < Words; i++) begin : gen_finite
    assign special[i] = &raw_q[i*16+10 +: 5];
    assign finite[i*16 +: 16] = {raw_q[i*16+11 +: 5], raw_q[i*16+10] & ~special[i],
                                 raw_q[i*16 +: 10] | {10{special[i]}}};
    assign fields[i*5 +: 5] = data_q[i*16+10 +: 5];
  end

  assign take = valid_i & ready_o;
  assign row_special = |special_q | row_special_q;

  always_ff @(posedge clk_i) begin
    raw_valid_q <= rst_ni & take;
    raw_q       <= data_i;
    raw_marks_q <= marks_i;
    in_valid_q <= rst_ni & raw_valid_q;
    data_q     <= finite;
    for (int i = 0; i < Words / 4; i++) special_q[i] <= |special[4*i +: 4];
    in_marks_q <= raw_marks_q;
    if (!rst_ni) row_special_q <= 1'b0;
    else if (in_valid_q) row_special_q <= row_special & ~in_marks_q.row_last;
  end

  always_comb begin
    write_marks = in_marks_q;
    write_marks.nonfinite = row_special;
  end

  // The ring. ready_o is a register: two more words may come after it was right.
  logic [Words*16+MarksWidth-1:0] ring [Depth];
  logic [PtrWidth:0] fill_q;
  logic [PtrWidth-1:0] write_q, read_q;
  logic [Words*16-1:0] head_data;
  marks_t head;

  assign {head, head_data} = ring[read_q];

  // What may be sent: an entry for each block of a transformed row, and for each word of another.
  logic [1:0] part_q;
  logic block_end, seen, block_ght, last_ght_q, exponent_ready;
  logic next_valid, next_take, next_ght, next_change, entry_valid, ght, change, start, send;
  logic [4:0] block_exponent, next_exponent, exponent;

  assign block_end = in_marks_q.part_last & (part_q == 2'd3);

  fpq_exponent_max #(.Words(Words)) u_exponent (
    .clk_i, .rst_ni, .valid_i(in_valid_q), .last_i(~in_marks_q.ght | block_end), .fields_i(fields),
    .valid_o(seen), .exponent_o(block_exponent)
  );

  fpq_delay #(.Width(1), .Cycles($clog2(Words) + 1)) u_ght (
    .clk_i, .data_i(in_marks_q.ght), .data_o(block_ght)
  );

  fpq_fifo #(.Width(7), .Depth(Depth)) u_exponents (
    .clk_i, .rst_ni, .valid_i(seen), .ready_o(exponent_ready),
    .data_i({block_ght, block_ght ^ last_ght_q, block_exponent}),
    .valid_o(next_valid), .ready_i(next_take), .data_o({next_ght, next_change, next_exponent})
  );

  fpq_slice #(.Width(7)) u_head (
    .clk_i, .rst_ni, .valid_i(next_valid), .ready_o(next_take), .data_i({next_ght, next_change, next_exponent}),
    .valid_o(entry_valid), .ready_i(start), .data_o({ght, change, exponent})
  );

  // A block once begun is sent to its end.
  logic inside_q, block_last_q;  // the word at hand is of a block that has begun; its last
  logic [PtrWidth-1:0] left_q;

  assign start = entry_valid & room_i & ~inside_q & (drained_i | ~change);
  assign send  = start | inside_q;

  always_ff @(posedge clk_i) begin
    if (in_valid_q) ring[write_q] <= {write_marks, data_q};
    if (!rst_ni) begin
      fill_q     <= '0;
      ready_o    <= 1'b0;
      write_q    <= '0;
      read_q     <= '0;
      part_q     <= '0;
      inside_q   <= 1'b0;
      block_last_q <= 1'b0;
      last_ght_q <= 1'b0;
      valid_o    <= 1'b0;
    end else begin
      if (take ^ send) fill_q <= fill_q + (take ? (PtrWidth + 1)'(1) : '1);  // one adder; by 1 or -1
      ready_o <= fill_q < (PtrWidth + 1)'(Depth - 2);
      if (in_valid_q) write_q <= write_q + 1'b1;
      if (in_valid_q & in_marks_q.part_last) part_q <= in_marks_q.row_last ? 2'd0 : part_q + 2'd1;
      if (seen) last_ght_q <= block_ght;
      if (send) read_q <= read_q + 1'b1;
      inside_q     <= start ? ght : inside_q & ~block_last_q;
      block_last_q <= inside_q & (left_q == PtrWidth'(2));  // never of a block's first word: there are four at least
      valid_o      <= send;
    end
    left_q <= start ? PtrWidth'(BlockWords - 1) : left_q - 1'b1;
    if (start) exponent_o <= exponent;
    data_o     <= head_data;
    marks_o    <= head;
  end

  `FPQ_ASSERT(WholeBlocks, !(start && fill_q == '0))
  `FPQ_ASSERT(HeadsAgree, !send || head.ght == (start ? ght : 1'b1))
  `FPQ_ASSERT(ExponentRoom, !(seen && !exponent_ready))
  `FPQ_ASSERT_STABLE(InputStable, valid_i, ready_o, {data_i, marks_i})

endmodule
