// SPDX-License-Identifier: Apache-2.0
// Packs the pieces of a row, bank after bank, into bus beats, at the row's place in them, and announces the row when its last
// beat is out. Rows and columns that do not exist are dropped here.

`include "fpq_assert.svh"

module fpq_store_pack
  import fpq_core_pkg::*;
#(
  parameter int BusBits = 128,
  parameter int Columns = 8,
  parameter int OutWidth = 4,  // columns of a piece
  parameter int Banks = 1
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                row_valid_i,
  output logic                                row_ready_o,
  input  row_t                                row_i,
  input  logic                                row_nop_i,
  // The banks' outputs
  input  logic [Banks-1:0]                    y_valid_i,
  output logic [Banks-1:0]                    y_ready_o,
  input  logic [Banks-1:0][OutWidth*16-1:0]   y_data_i,
  input  logic [Banks-1:0][OutWidth-1:0]      y_overflow_i,
  // Beats: 64-bit words with a strobe each
  output logic                                beat_valid_o,
  input  logic                                beat_ready_i,
  output logic [BusBits-1:0]                  beat_data_o,
  output logic [BusBits/64-1:0]               beat_strobe_o,
  // A row whose beats are all out: where it goes. Nops pass here too.
  output logic                                segment_valid_o,
  input  logic                                segment_ready_i,
  output logic [63:0]                         segment_addr_o,
  output logic [RowSpanWidth-1:0]             segment_span_o,
  output logic                                segment_nop_o,
  output logic                                segment_last_o,  // the command's last
  // A set has left the banks; an output of the tag's command was saturated.
  output logic                                set_o,
  output logic                                overflow_o,
  output logic [TagWidth-1:0]                 overflow_tag_o
);

  localparam int Pieces = Columns / OutWidth;
  localparam int PieceLog2 = Pieces > 1 ? $clog2(Pieces) : 1;
  localparam int ByteLog2 = $clog2(2 * OutWidth);  // of a piece
  localparam int PlaceWidth = RowSpanWidth - ByteLog2;
  localparam int Words = BusBits / 64;        // of a beat
  localparam int PieceWords = OutWidth / 4;   // of a piece
  localparam int WordLog2 = Words > 1 ? $clog2(Words) : 1;

  `FPQ_REQUIRE(gen_bad_width, OutWidth % 4 == 0 && Columns % OutWidth == 0 && 2 ** $clog2(OutWidth) == OutWidth,
               "fpq_store_pack: OutWidth must be a power of two, a multiple of 4, and divide Columns")
  `FPQ_REQUIRE(gen_wide_piece, OutWidth * 16 <= BusBits,
               "fpq_store_pack: OutWidth FP16 outputs must not be wider than the bus")

  // First stage: a row, and its next piece from its bank. What is asked about the row is asked when it comes.
  logic empty_q, nop_q;                       // no row with pieces is here; one without is
  logic end_q;                                // with the step at hand the next row comes
  logic [Banks-1:0] turn_q;                   // whose turn it is: one bit, none in a nop
  logic [MaxBanks-1:0] banks_q;               // this bank and those after it that have a tile
  logic [PieceLog2-1:0] piece_q;              // of the bank's
  logic kept_q;                               // the piece is kept
  logic [PlaceWidth:0] left_q;  // pieces that are kept, from this one on, less 2: the sign tells of the last
  logic [63:0] addr_q;
  logic [RowSpanWidth-1:0] span_q;
  logic set_last_q, command_last_q;
  logic [TagWidth-1:0] tag_q;
  logic in_valid, in_ready, kept_last, piece_last, take, step, row_pieces;
  logic [MaxBanks-1:0] banks_next;
  logic first_q;                              // the row's first piece
  logic [WordLog2-1:0] place_q, place_next;   // the piece's first word in its beat
  logic full_in, spill_in;                    // the piece reaches the beat's end, and the next beat
  logic [PieceLog2-1:0] piece_next;
  logic [OutWidth*16-1:0] in_data, data;
  logic [OutWidth-1:0] in_overflow;

  always_comb begin
    in_data = '0;
    in_overflow = '0;
    for (int p = 0; p < Banks; p++) begin
      in_data |= y_data_i[p] & {OutWidth*16{turn_q[p]}};
      in_overflow |= y_overflow_i[p] & {OutWidth{turn_q[p]}};
    end
  end

  assign in_valid = |(y_valid_i & turn_q);
  assign kept_last = kept_q & (nop_q | left_q[PlaceWidth]);
  assign piece_last = piece_q == PieceLog2'(Pieces - 1);
  assign piece_next = end_q | piece_last ? '0 : piece_q + 1'b1;
  assign banks_next = end_q ? row_i.banks : banks_q >> piece_last;
  assign take = in_valid & in_ready;
  assign row_pieces = row_valid_i & ~row_nop_i;
  assign y_ready_o = turn_q & {Banks{in_ready}};
  if (Words > 1) begin : gen_place
    assign place_next = end_q ? row_i.addr[3+:WordLog2] : place_q + WordLog2'(PieceWords);
  end else begin : gen_no_place
    assign place_next = '0;
  end
  if (Words == PieceWords) begin : gen_whole_words  // every piece fills a word
    assign full_in = 1'b1;
  end else begin : gen_part_words
    assign full_in = (WordLog2 + 1)'(place_q) >= (WordLog2 + 1)'(Words - PieceWords);
  end
  assign spill_in = (WordLog2 + 1)'(place_q) > (WordLog2 + 1)'(Words - PieceWords);

  // Second stage.
  logic valid, ready, first, out, spill, full, final_piece;
  logic [WordLog2-1:0] place;
  logic queue_ready, note_ready;

  // A row leaves with its last piece; where it goes is noted once its last kept piece is taken. A nop goes the same way, as a
  // row of one piece without a beat, so it is done in its turn. Any piece asks for room for a note: which one needs it is not
  // asked in the same cycle.
  assign in_ready = queue_ready & note_ready;
  assign step = (in_valid | empty_q) & in_ready;
  assign row_ready_o = step & end_q;

  always_ff @(posedge clk_i) begin
    set_o <= rst_ni & take & end_q & set_last_q;
    overflow_o <= rst_ni & take & kept_q & (|in_overflow);
    overflow_tag_o <= tag_q;
    if (!rst_ni) begin
      empty_q <= 1'b1;
      end_q   <= 1'b1;
      kept_q  <= 1'b0;
      turn_q  <= '0;
    end else if (step) begin
      empty_q <= end_q & ~row_pieces;
      kept_q  <= end_q ? row_valid_i & (row_i.keep | row_nop_i) : kept_q & ~left_q[PlaceWidth];
      end_q   <= (end_q & ~row_pieces) | (piece_next == PieceLog2'(Pieces - 1) && !banks_next[1]);
      turn_q  <= end_q ? Banks'(row_pieces) : turn_q << piece_last;
    end
    if (step) begin
      piece_q <= piece_next;
      place_q <= place_next;
      first_q <= end_q;
      banks_q <= banks_next;
      nop_q   <= end_q & row_nop_i;
      left_q  <= (end_q ? {1'b0, row_i.bytes[RowSpanWidth-1:ByteLog2]} : left_q) + {{PlaceWidth{1'b1}}, ~end_q};
    end
    if (row_ready_o) begin
      addr_q <= row_i.addr;
      span_q <= row_i.bytes - 1'b1;
      set_last_q <= row_i.set_last;
      command_last_q <= row_nop_i | row_i.command_last;
      tag_q <= row_i.tag;
    end
  end

  // With a piece goes what it does: it begins a row; it fills its beat; a beat leaves with it; words of the row's last piece
  // spill over; with it the row is done.
  fpq_fifo #(.Width(OutWidth * 16 + WordLog2 + 5), .Depth(2)) u_piece (
    .clk_i, .rst_ni,
    .valid_i(step & kept_q), .ready_o(queue_ready),
    .data_i({in_data, place_q, first_q, full_in, (full_in | kept_last) & ~nop_q, spill_in & kept_last & ~nop_q,
             kept_last & (nop_q | ~spill_in)}),
    .valid_o(valid), .ready_i(ready), .data_o({data, place, first, full, out, spill, final_piece})
  );

  logic done, done_q, note_valid;             // a row's last beat is out
  fpq_fifo #(.Width(64 + RowSpanWidth + 2), .Depth(4)) u_note (
    .clk_i, .rst_ni,
    .valid_i(step & kept_last), .ready_o(note_ready),
    .data_i({addr_q, span_q, nop_q, command_last_q}),
    .valid_o(note_valid), .ready_i(segment_valid_o & segment_ready_i),
    .data_o({segment_addr_o, segment_span_o, segment_nop_o, segment_last_o})
  );

  // Rows whose beats are out and which wait to be announced.
  fpq_credit #(.Width(3)) u_done (
    .clk_i, .rst_ni, .give_i(done_q), .take_i(segment_valid_o & segment_ready_i), .any_o(segment_valid_o)
  );

  // The beat that is being filled, and the words of a piece that spill over its end.
  logic flush_q;
  logic [BusBits-1:0] rest_q, merged;
  logic [Words-1:0] rest_strobe_q, merged_strobe;
  logic [2*BusBits-1:0] shifted;
  logic [2*Words-1:0] shifted_strobe;

  assign shifted = (2 * BusBits)'(data) << {place, 6'd0};
  assign shifted_strobe = (2 * Words)'({PieceWords{1'b1}}) << place;
  assign merged = (first ? '0 : rest_q) | shifted[BusBits-1:0];
  assign merged_strobe = (first ? '0 : rest_strobe_q) | shifted_strobe[Words-1:0];

  assign beat_valid_o = flush_q | (valid & out);
  assign beat_data_o = flush_q ? rest_q : merged;
  assign beat_strobe_o = flush_q ? rest_strobe_q : merged_strobe;
  assign ready = ~flush_q & (beat_ready_i | ~out);
  assign done = flush_q ? beat_ready_i : valid & final_piece & (beat_ready_i | ~out);

  always_ff @(posedge clk_i) begin
    done_q <= rst_ni & done;
    if (!rst_ni) flush_q <= 1'b0;
    else flush_q <= flush_q ? ~beat_ready_i : valid & ready & spill;
    if (valid & ready) begin
      rest_q <= full ? shifted[2*BusBits-1:BusBits] : merged;
      rest_strobe_q <= full ? shifted_strobe[2*Words-1:Words] : merged_strobe;
    end
  end

  `FPQ_ASSERT(WholePieces, !row_valid_i || row_nop_i || row_i.bytes[ByteLog2-1:0] == '0)
  `FPQ_ASSERT(Noted, !segment_valid_o || note_valid)
  `FPQ_ASSERT_STABLE(BeatStable, beat_valid_o, beat_ready_i, {beat_data_o, beat_strobe_o})
  `FPQ_ASSERT_STABLE(SegmentStable, segment_valid_o, segment_ready_i, {segment_addr_o, segment_span_o})

endmodule
