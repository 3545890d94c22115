// SPDX-License-Identifier: Apache-2.0
// Takes a bank's weight stream apart: bias to the bank, scales and chunks of codes to the rings.

`include "fpq_assert.svh"

module fpq_w_unpack
  import fpq_core_pkg::*;
#(
  parameter int BusBits = 128,
  parameter int Columns = 8,
  parameter int OutWidth = 4,
  parameter int ChunkBits = 1024,     // bits of a chunk of codes, a multiple of BusBits
  parameter int WordBits = 64,        // bits of bias or scales taken a cycle
  parameter int ChunkDepth = 512,
  parameter int ScaleDepth = 512,
  localparam int ChunkParts = ChunkBits / BusBits,
  localparam int ChunkPartWidth = ChunkParts > 1 ? $clog2(ChunkParts) : 1,
  localparam int ScaleParts = Columns * 16 / WordBits,
  localparam int ScalePartWidth = ScaleParts > 1 ? $clog2(ScaleParts) : 1,
  localparam int BiasParts = Columns / OutWidth,
  localparam int BiasPartWidth = BiasParts > 1 ? $clog2(BiasParts) : 1
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          tile_valid_i,
  output logic                          tile_ready_o,
  input  w_tile_t                       tile_i,
  input  logic                          beat_valid_i,
  output logic                          beat_ready_o,
  input  logic [BusBits-1:0]            beat_data_i,
  input  logic                          beat_error_i,
  // Into the rings
  output logic                          code_valid_o,
  output logic [$clog2(ChunkDepth)-1:0] code_addr_o,
  output logic [ChunkPartWidth-1:0]     code_part_o,
  output logic [BusBits-1:0]            code_data_o,
  output logic                          chunk_o,      // a chunk is complete
  output logic                          scale_valid_o,
  output logic [$clog2(ScaleDepth)-1:0] scale_addr_o,
  output logic [ScalePartWidth-1:0]     scale_part_o,
  output logic [WordBits-1:0]           scale_data_o,
  // To the bank
  output logic                          bias_valid_o,
  output logic [BiasWidth-1:0]          bias_entry_o,
  output logic [BiasPartWidth-1:0]      bias_part_o,
  output logic [OutWidth*32-1:0]        bias_o,
  output logic                          error_o,
  output logic [TagWidth-1:0]           error_tag_o
);

  localparam int BusBytes = BusBits / 8;
  localparam int BeatWords = BusBits / WordBits;
  localparam int WordIndexWidth = BeatWords > 1 ? $clog2(BeatWords) : 1;
  localparam int BiasWords = OutWidth * 32 / WordBits;  // words of a piece of bias
  localparam int BiasTotal = Columns * 32 / WordBits;   // words of a bias section, without its padding
  localparam int BiasBeats = (Columns * 4 + 63) / 64 * 64 / BusBytes;
  localparam int PaddingBeats = BusBytes <= 32 ? 32 / BusBytes : 1;
  localparam int BiasSteps = BiasBeats * BeatWords;     // and with it
  localparam int BiasCountWidth = BiasSteps > 1 ? $clog2(BiasSteps) : 1;

  `FPQ_REQUIRE(gen_bad_chunk, ChunkBits % BusBits == 0,
               "fpq_w_unpack: a chunk of weights (Columns x Lanes codes) must be a whole number of bus beats")
  `FPQ_REQUIRE(gen_bad_word, BusBits % WordBits == 0 && Columns * 16 % WordBits == 0 && OutWidth * 32 % WordBits == 0,
               "fpq_w_unpack: WordBits must divide a beat, a group's scales and a piece of the bias")

  // One bit a section: a test of the section is a register.
  localparam logic [4:0] Start = 5'b00001;
  logic [4:0] section_q;
  w_tile_t tile_q;  // taken in Start
  logic in_start, in_bias, in_scales, in_codes, in_padding;
  // Counters of what is left from this one on, less 2: the sign tells of the last. What comes next is loaded while the
  // section before is under way, or with its last word.
  logic [SectionWidth:0] beats_q;             // beats of scales or padding
  logic [ChunkWidth:0] left_q;                // groups of scales, then chunks
  // In their sections: a chunk's last beat, a group's last word of scales, the last word of bias; and whether bias and scales
  // are all in and padding follows.
  logic part_last_q, scale_part_last_q, bias_last_q, bias_all_q, scales_all_q;
  logic [WordIndexWidth-1:0] word_q;          // word of the beat
  logic [ChunkPartWidth-1:0] part_q;          // beat of the chunk
  logic [ScalePartWidth-1:0] scale_part_q;    // word of the group's scales
  logic [BiasCountWidth-1:0] bias_count_q;    // words of bias before this one
  logic [$clog2(ChunkDepth)-1:0] code_addr_q;
  logic [$clog2(ScaleDepth)-1:0] scale_addr_q;

  logic whole_q;  // the beat has nothing more to give than this step's word
  logic header, word_next, step, take, start, absent, padded, bias_end, scales_end, codes_end, padding_end;
  logic code_last, scale_last, groups_end, bias_step;
  logic [WordBits-1:0] word;

  assign {in_padding, in_codes, in_scales, in_bias, in_start} = section_q;
  assign header = in_bias | in_scales;
  assign beat_ready_o = whole_q & ~in_start;
  assign step = beat_valid_i & ~in_start;  // a word of a header, or a beat of codes or padding
  assign take = beat_valid_i & whole_q;
  assign word_next = BeatWords == 1 || word_q == WordIndexWidth'(BeatWords - 2);  // the next word is a beat's last
  assign bias_end    = in_bias & beat_valid_i & bias_last_q;
  assign scales_end  = in_scales & take & beats_q[SectionWidth];
  assign codes_end   = code_last & left_q[ChunkWidth];
  assign padding_end = in_padding & beat_valid_i & beats_q[SectionWidth];
  assign word = beat_data_i[word_q*WordBits +: WordBits];
  assign start = in_start & tile_valid_i;
  assign tile_ready_o = in_start;
  assign absent = start & tile_i.absent;

  // Chunks are multiples of 32 bytes; an odd number of odd multiples is padded to 64.
  assign padded = ChunkBits % 512 != 0 && tile_q.chunks[0];

  // What the counters go on from, and whether they begin again; one adder each.
  logic beats_load, left_load;
  logic [SectionWidth-1:0] beats_length;
  logic [ChunkWidth-1:0] left_length;

  assign beats_load   = in_bias | in_codes;
  assign beats_length = in_codes ? SectionWidth'(PaddingBeats) : tile_q.scale_beats;
  assign groups_end   = scale_last & left_q[ChunkWidth];
  assign left_load    = in_bias | groups_end;
  assign left_length  = in_bias ? tile_q.groups : tile_q.chunks;

  always_ff @(posedge clk_i) begin
    if (in_start) tile_q <= tile_i;
    if (beats_load | take) begin
      beats_q <= (beats_load ? {1'b0, beats_length} : beats_q) + {{SectionWidth{1'b1}}, ~beats_load};
    end
    if (left_load | scale_last | code_last) begin
      left_q <= (left_load ? {1'b0, left_length} : left_q) + {{ChunkWidth{1'b1}}, ~left_load};
    end
    if (in_bias) scales_all_q <= 1'b0;
    else if (groups_end) scales_all_q <= 1'b1;
    if (in_start | (in_bias & beat_valid_i)) begin
      bias_count_q <= in_start ? '0 : bias_count_q + 1'b1;
      bias_last_q  <= BiasSteps == 1 || (~in_start && bias_count_q == BiasCountWidth'(BiasSteps - 2));
      bias_all_q   <= ~in_start & (bias_all_q | bias_count_q == BiasCountWidth'(BiasTotal - 1));
    end
    // What is not a header gives a whole beat a step.
    if (in_start) whole_q <= BeatWords == 1;
    else if (step & header) whole_q <= word_next | scales_end;
    if (!rst_ni) begin
      section_q    <= Start;
      word_q       <= '0;
      part_q       <= '0;
      part_last_q  <= 1'b0;
      scale_part_q <= '0;
      scale_part_last_q <= 1'b0;
      code_addr_q  <= '0;
      scale_addr_q <= '0;
    end else begin
      if (step & header) word_q <= whole_q ? '0 : word_q + 1'b1;
      if (code_valid_o) part_q <= part_last_q ? '0 : part_q + 1'b1;
      if (scales_end | code_valid_o) begin
        part_last_q <= ~codes_end & (ChunkParts == 1 || (in_codes && part_q == ChunkPartWidth'(ChunkParts - 2)));
      end
      if (scale_valid_o) scale_part_q <= scale_part_last_q ? '0 : scale_part_q + 1'b1;
      if (bias_end | scale_valid_o) begin
        scale_part_last_q <= ~groups_end
                             & (ScaleParts == 1 || (in_scales && scale_part_q == ScalePartWidth'(ScaleParts - 2)));
      end
      // The rings' places of a tile that the bank does not have are left out.
      if (code_last | absent) begin
        code_addr_q <= code_addr_q + (in_start ? $bits(code_addr_q)'(tile_i.chunks) : $bits(code_addr_q)'(1));
      end
      if (scale_last | absent) begin
        scale_addr_q <= scale_addr_q + (in_start ? $bits(scale_addr_q)'(tile_i.groups) : $bits(scale_addr_q)'(1));
      end
      section_q <= {
        (codes_end & padded) | (in_padding & ~padding_end),
        scales_end | (in_codes & ~codes_end),
        bias_end | (in_scales & ~scales_end),
        (start & ~absent) | (in_bias & ~bias_end),
        (in_start & (~start | absent)) | (beat_valid_i & ((part_last_q & left_q[ChunkWidth] & ~padded)
                                                          | (in_padding & beats_q[SectionWidth])))
      };
    end
  end

  assign code_valid_o = in_codes & beat_valid_i;
  assign code_last    = beat_valid_i & part_last_q;
  assign code_addr_o  = code_addr_q;
  assign code_part_o  = part_q;
  assign code_data_o  = beat_data_i;
  assign scale_valid_o = in_scales & beat_valid_i & ~scales_all_q;
  assign scale_last    = beat_valid_i & scale_part_last_q;
  assign scale_addr_o  = scale_addr_q;
  assign scale_part_o  = scale_part_q;
  assign scale_data_o  = word;

  // The announcement comes when the memory has the chunk; of a tile's last one when all its beats are in, padding too, so
  // that no command is complete before an error among them is known.
  always_ff @(posedge clk_i) begin
    chunk_o <= rst_ni & (padding_end | (code_last & ~(codes_end & padded)));
  end

  // Pieces of bias gather from BiasWords words.
  assign bias_step = in_bias & beat_valid_i & ~bias_all_q;

  if (BiasWords == 1) begin : gen_whole_piece
    assign bias_valid_o = bias_step;
    assign bias_part_o  = BiasPartWidth'(bias_count_q);
    assign bias_o       = word;
  end else begin : gen_gather
    localparam int Log2 = $clog2(BiasWords);
    logic [OutWidth*32-WordBits-1:0] gathered_q;
    always_ff @(posedge clk_i) begin
      if (bias_step) gathered_q <= (OutWidth * 32 - WordBits)'({word, gathered_q} >> WordBits);
    end
    assign bias_valid_o = bias_step && (&bias_count_q[Log2-1:0]);
    assign bias_part_o  = BiasPartWidth'(bias_count_q >> Log2);
    assign bias_o       = {word, gathered_q};
  end
  assign bias_entry_o = tile_q.bias;

  assign error_o = take & beat_error_i & ~in_start;
  assign error_tag_o = tile_q.tag;

  logic unused_absent;
  assign unused_absent = tile_q.absent;

  `FPQ_ASSERT_STABLE(TileStable, tile_valid_i, tile_ready_o, tile_i)

endmodule
