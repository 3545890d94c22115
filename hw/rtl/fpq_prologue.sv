// SPDX-License-Identifier: Apache-2.0
// Rows of FP16 in, chunks of codes and scales out (contract 1.2 to 1.4): transform, largest magnitude
// of each group, scale, threshold quantizer. A word a cycle.
//
//   x ─▶ block buffer ─┬─▶ align, Hadamard ─┬─▶ row buffer ──────────────▶ search ─▶ pack ─▶ chunks
//                      └────────────────────┴─▶ extremes ─▶ scale ─▶ thresholds ─┘
//
// Words leave the block buffer only if the row buffer has room for them, so that nothing in between ever waits.

`include "fpq_assert.svh"

module fpq_prologue #(
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Lanes = 32,
  parameter int Words = 8,                     // elements a bus word
  parameter int MaxRow = int'(fpq_pkg::MaxK),  // elements of the longest row
  localparam int CodeBits = fpq_pkg::format_bits(fpq_pkg::family_weights(Family))
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  // Jobs: the next rows have this form.
  input  logic                      cfg_valid_i,
  output logic                      cfg_ready_o,
  input  logic [31:0]               cfg_rows_i,
  input  logic [13:0]               cfg_k_i,
  input  logic [13:0]               cfg_group_i,
  input  logic                      cfg_ght_i,
  input  logic                      cfg_dual_i,
  input  logic                      x_valid_i,
  output logic                      x_ready_o,
  input  logic [Words*16-1:0]       x_data_i,
  // Chunks are always accepted. Scales come with a group's last chunk.
  output logic                      chunk_valid_o,
  output logic [Lanes*CodeBits-1:0] chunk_codes_o,
  output logic                      chunk_scale_valid_o,
  output logic [15:0]               chunk_scale_o,
  output logic [15:0]               chunk_scale_negative_o,
  output logic                      chunk_row_last_o,
  output logic                      chunk_nonfinite_o   // with row_last: Inf or NaN in the row
);
  import fpq_pkg::*;
  import fpq_prologue_pkg::*;

  localparam format_e Plain = family_weights(Family);
  localparam format_e Dual = family_has_dual(Family) ? family_dual(Family) : Plain;
  localparam int BlockWords = 128 / Words;
  localparam int HadamardLatency = BlockWords + 10;
  localparam int KeyBits = 23;
  localparam int Groups = 32;  // groups on their way at most
  // Room for the longest row, for a block, and for what comes while the scale is worked out.
  localparam int BufferWords = (MaxRow / Words) + (2 * BlockWords) + 64;

  `FPQ_REQUIRE(gen_bad_words, Words == 4 || Words == 8 || Words == 16 || Words == 32,
               "fpq_prologue: Words must be 4, 8, 16 or 32: a bus of 64, 128, 256 or 512 bits")
  `FPQ_REQUIRE(gen_bad_lanes, Lanes == 32 || Lanes == 64 || Lanes == 128,
               "fpq_prologue: Lanes must be 32, 64 or 128")

  // Words with their marks.
  logic x_expected, buffer_ready, x_take;
  marks_t x_marks, send_marks;
  logic room_q, drained, send;
  logic [Words*16-1:0] send_data;
  logic [4:0] send_exponent;

  assign x_ready_o = x_expected & buffer_ready;
  assign x_take = x_valid_i & x_ready_o;

  fpq_row_marks #(.Words(Words)) u_marks (
    .clk_i, .rst_ni, .cfg_valid_i, .cfg_ready_o, .cfg_rows_i, .cfg_k_i, .cfg_group_i, .cfg_ght_i,
    .cfg_dual_i, .busy_o(x_expected), .take_i(x_take), .marks_o(x_marks)
  );

  fpq_block_buffer #(.Words(Words)) u_blocks (
    .clk_i, .rst_ni, .valid_i(x_valid_i & x_expected), .ready_o(buffer_ready), .data_i(x_data_i),
    .marks_i(x_marks), .room_i(room_q), .drained_i(drained),
    .valid_o(send), .data_o(send_data), .marks_o(send_marks), .exponent_o(send_exponent)
  );

  // Two ways to a key; never both at work.
  logic ght_valid, key_valid_q;
  logic [Words*KeyBits-1:0] ght_data, keys_q;
  marks_t ght_marks, key_marks_q;
  logic [4:0] ght_exponent, key_exponent_q;

  fpq_hadamard #(.Words(Words)) u_hadamard (
    .clk_i, .rst_ni, .valid_i(send & send_marks.ght), .first_i(send_marks.block_first),
    .data_i(send_data), .exponent_i(send_exponent), .valid_o(ght_valid), .data_o(ght_data)
  );

  fpq_delay #(.Width($bits(marks_t) + 5), .Cycles(HadamardLatency)) u_ght_side (
    .clk_i, .data_i({send_marks, send_exponent}), .data_o({ght_marks, ght_exponent})
  );

  for (genvar i = 0; i < Words; i++) begin : gen_key
    logic [15:0] x;
    assign x = send_data[i*16 +: 16];
    always_ff @(posedge clk_i) begin
      keys_q[i*KeyBits +: KeyBits] <= ght_valid ? ght_data[i*KeyBits +: KeyBits]
                                                : {{8{x[15]}}, x[14:0] ^ {15{x[15]}}};
    end
  end

  always_ff @(posedge clk_i) begin
    key_valid_q    <= rst_ni & (ght_valid | (send & ~send_marks.ght));
    key_marks_q    <= ght_valid ? ght_marks : send_marks;
    key_exponent_q <= ght_exponent;
  end

  // Scales of the groups, and the segments that share thresholds.
  logic part_valid, part_ght, part_dual, part_group_last;
  logic [4:0] part_exponent;
  logic signed [KeyBits-1:0] largest, smallest;
  logic new_scale, scale_room, scale_valid, scale_pop;
  logic [15:0] new_positive, new_negative, scale, scale_negative;
  logic zero, zero_negative;
  logic segment_room, segment_valid, segment_pop;
  logic queue_valid, queue_pop;
  segment_t queue_segment, segment;

  fpq_extremes #(.Words(Words), .Width(KeyBits), .SideWidth(8)) u_extremes (
    .clk_i, .rst_ni, .valid_i(key_valid_q), .last_i(key_marks_q.part_last),
    .side_i({key_marks_q.ght, key_marks_q.dual, key_marks_q.group_last, key_exponent_q}),
    .data_i(keys_q), .valid_o(part_valid),
    .side_o({part_ght, part_dual, part_group_last, part_exponent}),
    .largest_o(largest), .smallest_o(smallest)
  );

  fpq_absmax #(
    .Words(Words), .Dual(int'(family_has_dual(Family))),
    .Reciprocal(fmax_reciprocal(Plain, 1'b0)), .NegativeReciprocal(fmax_reciprocal(Dual, 1'b1))
  ) u_absmax (
    .clk_i, .rst_ni, .valid_i(part_valid), .ght_i(part_ght), .dual_i(part_dual),
    .group_last_i(part_group_last), .exponent_i(part_exponent), .largest_i(largest),
    .smallest_i(smallest), .valid_o(new_scale), .scale_o(new_positive),
    .scale_negative_o(new_negative)
  );

  fpq_fifo #(.Width(34), .Depth(Groups)) u_scales (
    .clk_i, .rst_ni, .valid_i(new_scale), .ready_o(scale_room),
    .data_i({new_positive, new_negative, new_positive == 16'd0, new_negative == 16'd0}),
    .valid_o(scale_valid), .ready_i(scale_pop),
    .data_o({scale, scale_negative, zero, zero_negative})
  );

  fpq_fifo #(.Width($bits(segment_t)), .Depth(128)) u_segments (
    .clk_i, .rst_ni, .valid_i(key_valid_q & key_marks_q.segment_last), .ready_o(segment_room),
    .data_i({key_marks_q.ght, key_marks_q.dual, key_marks_q.group_last, key_exponent_q}),
    .valid_o(queue_valid), .ready_i(queue_pop), .data_o(queue_segment)
  );

  fpq_slice #(.Width($bits(segment_t))) u_segment (
    .clk_i, .rst_ni, .valid_i(queue_valid), .ready_o(queue_pop), .data_i(queue_segment),
    .valid_o(segment_valid), .ready_i(segment_pop), .data_o(segment)
  );

  // The row buffer.
  logic word_valid, word_pop, word_segment_last, word_group_last, word_row_last, word_nonfinite;
  logic [Words*KeyBits-1:0] word_keys;

  fpq_row_buffer #(.Width(Words * KeyBits + 4), .Depth(BufferWords)) u_rows (
    .clk_i, .rst_ni, .write_i(key_valid_q),
    .data_i({keys_q, key_marks_q.segment_last, key_marks_q.group_last, key_marks_q.row_last,
             key_marks_q.nonfinite}),
    .valid_o(word_valid), .pop_i(word_pop),
    .data_o({word_keys, word_segment_last, word_group_last, word_row_last, word_nonfinite})
  );

  // What is on its way: words from the block buffer to the row buffer's end, words to its beginning, groups.
  fpq_prologue_room #(
    .BufferWords(BufferWords), .BlockWords(BlockWords), .Groups(Groups)
  ) u_room (
    .clk_i, .rst_ni, .send_i(send), .send_group_last_i(send & send_marks.group_last),
    .arrive_i(key_valid_q), .pop_i(word_pop), .group_pop_i(scale_pop),
    .room_o(room_q), .drained_o(drained)
  );

  // Codes, chunks.
  logic code_valid, code_group_last, code_row_last, code_nonfinite;
  logic [Words*CodeBits-1:0] codes;
  logic [15:0] code_scale, code_scale_negative;
  logic chunk_group_last;

  fpq_quantizer #(.Family(Family), .Words(Words)) u_quantizer (
    .clk_i, .rst_ni, .segment_valid_i(segment_valid), .segment_ready_o(segment_pop),
    .segment_i(segment), .scale_valid_i(scale_valid), .scale_ready_o(scale_pop), .scale_i(scale),
    .scale_negative_i(scale_negative), .zero_i(zero), .zero_negative_i(zero_negative),
    .valid_i(word_valid), .pop_o(word_pop), .keys_i(word_keys), .segment_last_i(word_segment_last),
    .group_last_i(word_group_last), .row_last_i(word_row_last), .nonfinite_i(word_nonfinite),
    .valid_o(code_valid), .group_last_o(code_group_last),
    .row_last_o(code_row_last), .nonfinite_o(code_nonfinite), .codes_o(codes),
    .scale_o(code_scale), .scale_negative_o(code_scale_negative)
  );

  fpq_pack #(.Words(Words), .Lanes(Lanes), .CodeBits(CodeBits), .SideWidth(35)) u_pack (
    .clk_i, .rst_ni, .valid_i(code_valid), .last_i(code_group_last),
    .side_i({code_group_last, code_row_last, code_nonfinite, code_scale, code_scale_negative}),
    .codes_i(codes), .valid_o(chunk_valid_o),
    .side_o({chunk_group_last, chunk_row_last_o, chunk_nonfinite_o, chunk_scale_o,
             chunk_scale_negative_o}),
    .codes_o(chunk_codes_o)
  );
  assign chunk_scale_valid_o = chunk_valid_o & chunk_group_last;

  logic unused_first;
  assign unused_first = key_marks_q.block_first;

  `FPQ_ASSERT(ScaleRoom, !(new_scale && !scale_room))
  `FPQ_ASSERT(SegmentRoom, !(key_valid_q && key_marks_q.segment_last && !segment_room))
  `FPQ_ASSERT(OneWay, !(ght_valid && send && !send_marks.ght))
  `FPQ_ASSERT_STABLE(RowStable, x_valid_i, x_ready_o, x_data_i)

endmodule
