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
  localparam int BiasCountWidth = $clog2(BiasTotal + 1);

  `FPQ_REQUIRE(gen_bad_chunk, ChunkBits % BusBits == 0,
               "fpq_w_unpack: a chunk of weights (Columns x Lanes codes) must be a whole number of bus beats")
  `FPQ_REQUIRE(gen_bad_word, BusBits % WordBits == 0 && Columns * 16 % WordBits == 0 && OutWidth * 32 % WordBits == 0,
               "fpq_w_unpack: WordBits must divide a beat, a group's scales and a piece of the bias")

  typedef enum logic [2:0] {
    Start,
    Bias,
    Scales,
    Codes,
    Padding
  } section_e;

  section_e section_q;
  logic [SectionWidth-1:0] beats_q;           // beats of the section still to come
  logic [ChunkWidth-1:0] left_q;              // chunks or groups still to come
  logic [WordIndexWidth-1:0] word_q;          // word of the beat
  logic [ChunkPartWidth-1:0] part_q;          // beat of the chunk
  logic [ScalePartWidth-1:0] scale_part_q;    // word of the group's scales
  logic [BiasCountWidth-1:0] bias_count_q;    // words of bias that are in
  logic [$clog2(ChunkDepth)-1:0] code_addr_q;
  logic [$clog2(ScaleDepth)-1:0] scale_addr_q;

  logic header, word_last, step, take, part_last, section_end, start, padded, codes_end, tile_end;
  logic [WordBits-1:0] word;

  assign header = section_q == Bias || section_q == Scales;
  assign word_last = word_q == WordIndexWidth'(BeatWords - 1);
  assign beat_ready_o = section_q != Start && (!header || word_last);
  assign step = beat_valid_i && section_q != Start;  // a word of a header, or a beat of codes or padding
  assign take = beat_valid_i & beat_ready_o;
  assign section_end = take && beats_q == SectionWidth'(1);
  assign part_last = part_q == ChunkPartWidth'(ChunkParts - 1);
  assign word = beat_data_i[word_q*WordBits +: WordBits];
  assign start = section_q == Start && tile_valid_i;
  assign tile_ready_o = section_q == Start ? tile_i.absent : tile_end;

  // Chunks are multiples of 32 bytes; an odd number of odd multiples is padded to 64.
  assign padded = ChunkBits % 512 != 0 && tile_i.chunks[0];
  assign codes_end = section_q == Codes && take && part_last && left_q == ChunkWidth'(1);
  assign tile_end = padded ? section_q == Padding && section_end : codes_end;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      section_q <= Start;
      word_q <= '0;
      part_q <= '0;
      code_addr_q <= '0;
      scale_addr_q <= '0;
    end else begin
      if (step && header) word_q <= word_last ? '0 : word_q + 1'b1;
      unique case (section_q)
        Start: begin
          if (start && tile_i.absent) begin
            code_addr_q  <= code_addr_q + $bits(code_addr_q)'(tile_i.chunks);
            scale_addr_q <= scale_addr_q + $bits(scale_addr_q)'(tile_i.groups);
          end else if (start) begin
            section_q <= Bias;
          end
          beats_q <= SectionWidth'(BiasBeats);
          bias_count_q <= '0;
        end
        Bias: begin
          if (step && bias_count_q != BiasCountWidth'(BiasTotal)) bias_count_q <= bias_count_q + 1'b1;
          if (take) beats_q <= beats_q - 1'b1;
          if (section_end) begin
            section_q <= Scales;
            beats_q <= tile_i.scale_beats;
          end
          left_q <= tile_i.groups;
          scale_part_q <= '0;
        end
        Scales: begin
          if (scale_valid_o) begin
            scale_part_q <= scale_part_o == ScalePartWidth'(ScaleParts - 1) ? '0 : scale_part_q + 1'b1;
            if (scale_part_o == ScalePartWidth'(ScaleParts - 1)) begin
              scale_addr_q <= scale_addr_q + 1'b1;
              left_q <= left_q - 1'b1;
            end
          end
          if (take) beats_q <= beats_q - 1'b1;
          if (section_end) begin
            section_q <= Codes;
            left_q <= tile_i.chunks;
          end
        end
        Codes: begin
          if (take) part_q <= part_last ? '0 : part_q + 1'b1;
          if (take && part_last) begin
            code_addr_q <= code_addr_q + 1'b1;
            left_q <= left_q - 1'b1;
          end
          beats_q <= SectionWidth'(PaddingBeats);
          if (codes_end) section_q <= padded ? Padding : Start;
        end
        Padding: begin
          if (take) beats_q <= beats_q - 1'b1;
          if (section_end) section_q <= Start;
        end
        default: section_q <= Start;
      endcase
    end
  end

  assign code_valid_o = section_q == Codes && take;
  assign code_addr_o  = code_addr_q;
  assign code_part_o  = part_q;
  assign code_data_o  = beat_data_i;
  assign scale_valid_o = section_q == Scales && step && left_q != '0;
  assign scale_addr_o  = scale_addr_q;
  assign scale_part_o  = scale_part_q;
  assign scale_data_o  = word;

  // The announcement comes when the memory has the chunk.
  always_ff @(posedge clk_i) chunk_o <= rst_ni & code_valid_o & part_last;

  // Pieces of bias gather from BiasWords words.
  logic bias_step;
  assign bias_step = section_q == Bias && step && bias_count_q != BiasCountWidth'(BiasTotal);

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
  assign bias_entry_o = tile_i.bias;

  assign error_o = take & beat_error_i;
  assign error_tag_o = tile_i.tag;

  `FPQ_ASSERT_STABLE(TileStable, tile_valid_i, tile_ready_o, tile_i)
  `FPQ_ASSERT(TileHeld, section_q == Start || tile_valid_i)

endmodule
