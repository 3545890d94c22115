// SPDX-License-Identifier: Apache-2.0
// The weights of one bank: its memory master, and the rings of chunks and of scales that it fills ahead of the multiplier.

`include "fpq_assert.svh"

module fpq_weights
  import fpq_core_pkg::*;
#(
  parameter int Bank = 0,
  parameter int Banks = 1,
  parameter int Columns = 8,
  parameter int ChunkBits = 1024,  // Columns x Lanes codes
  parameter int BusBits = 128,
  parameter int OutWidth = 4,
  parameter int ChunkDepth = 512,  // entries of the rings: powers of two, at least MaxChunks
  parameter int ScaleDepth = 512,
  parameter int ReadLatency = 3,
  localparam int BiasParts = Columns / OutWidth,
  localparam int BiasPartWidth = BiasParts > 1 ? $clog2(BiasParts) : 1
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     stop_i,
  output logic                     idle_o,
  input  logic                     job_valid_i,
  output logic                     job_ready_o,
  input  w_job_t                   job_i,
  // Room that comes back
  input  logic                     free_chunk_i,
  input  logic                     free_set_i,
  input  logic [ChunkWidth-1:0]    free_groups_i,
  input  logic                     free_bias_i,
  // To the multiplier
  output logic                     chunk_o,
  input  logic [RingAddrWidth-1:0] chunk_addr_i,
  input  logic [RingAddrWidth-1:0] scale_addr_i,
  output logic [ChunkBits-1:0]     codes_o,
  output logic [Columns*16-1:0]    scales_o,
  output logic                     bias_valid_o,
  output logic [BiasWidth-1:0]     bias_entry_o,
  output logic [BiasPartWidth-1:0] bias_part_o,
  output logic [OutWidth*32-1:0]   bias_o,
  output logic                     error_o,
  output logic [TagWidth-1:0]      error_tag_o,
  // AXI4 read channels
  output logic                     arvalid_o,
  input  logic                     arready_i,
  output logic [63:0]              araddr_o,
  output logic [7:0]               arlen_o,
  input  logic                     rvalid_i,
  output logic                     rready_o,
  input  logic [BusBits-1:0]       rdata_i,
  input  logic [1:0]               rresp_i,
  input  logic                     rlast_i
);

  function automatic int gcd(int a, int b);
    automatic int x = a;
    automatic int y = b;
    while (y != 0) begin
      automatic int z = x % y;
      x = y;
      y = z;
    end
    return x;
  endfunction

  // The widest word in which bias and scales can be taken.
  localparam int WordBits = gcd(gcd(BusBits, Columns * 16), OutWidth * 32);
  localparam int ChunkParts = ChunkBits / BusBits;
  localparam int ChunkPartWidth = ChunkParts > 1 ? $clog2(ChunkParts) : 1;
  localparam int ScaleParts = Columns * 16 / WordBits;
  localparam int ScalePartWidth = ScaleParts > 1 ? $clog2(ScaleParts) : 1;
  localparam int ChunkLog2 = $clog2(ChunkDepth);
  localparam int ScaleLog2 = $clog2(ScaleDepth);

  `FPQ_REQUIRE(gen_bad_chunks, 2 ** ChunkLog2 == ChunkDepth && ChunkDepth >= MaxChunks && ChunkLog2 <= RingAddrWidth,
               "fpq_weights: ChunkDepth must be a power of two, at least 512 (MaxChunks) and at most 1024")
  `FPQ_REQUIRE(gen_bad_scales, 2 ** ScaleLog2 == ScaleDepth && ScaleDepth >= MaxChunks && ScaleLog2 <= RingAddrWidth,
               "fpq_weights: ScaleDepth must be a power of two, at least 512 (MaxChunks) and at most 1024")

  logic run_valid, run_ready, ask_valid, ask_ready, tile_valid, tile_ready;
  logic [63:0] run_addr;
  logic [BytesWidth-1:0] run_span;
  w_tile_t ask_tile, tile;

  fpq_w_loader #(
    .Bank(Bank), .Banks(Banks), .Columns(Columns), .ChunkDepth(ChunkDepth), .ScaleDepth(ScaleDepth)
  ) u_loader (
    .clk_i, .rst_ni, .job_valid_i, .job_ready_o, .job_i,
    .free_chunk_i, .free_set_i, .free_groups_i, .free_bias_i,
    .run_valid_o(run_valid), .run_ready_i(run_ready), .run_addr_o(run_addr), .run_span_o(run_span),
    .tile_valid_o(ask_valid), .tile_ready_i(ask_ready), .tile_o(ask_tile)
  );

  fpq_fifo #(.Width($bits(w_tile_t)), .Depth(4)) u_tile (
    .clk_i, .rst_ni,
    .valid_i(ask_valid), .ready_o(ask_ready), .data_i(ask_tile),
    .valid_o(tile_valid), .ready_i(tile_ready), .data_o(tile)
  );

  logic beat_valid, beat_ready, beat_error;
  logic [BusBits-1:0] beat_data;

  fpq_axi_read #(.BusBits(BusBits), .SpanWidth(BytesWidth)) u_read (
    .clk_i, .rst_ni, .stop_i, .idle_o,
    .run_valid_i(run_valid), .run_ready_o(run_ready), .run_addr_i(run_addr), .run_span_i(run_span),
    .beat_valid_o(beat_valid), .beat_ready_i(beat_ready), .beat_data_o(beat_data), .beat_error_o(beat_error),
    .arvalid_o, .arready_i, .araddr_o, .arlen_o, .rvalid_i, .rready_o, .rdata_i, .rresp_i, .rlast_i
  );

  logic code_valid, scale_valid;
  logic [ChunkLog2-1:0] code_addr;
  logic [ChunkPartWidth-1:0] code_part;
  logic [BusBits-1:0] code_data;
  logic [ScaleLog2-1:0] scale_addr;
  logic [ScalePartWidth-1:0] scale_part;
  logic [WordBits-1:0] scale_data;

  fpq_w_unpack #(
    .BusBits(BusBits), .Columns(Columns), .OutWidth(OutWidth), .ChunkBits(ChunkBits), .WordBits(WordBits),
    .ChunkDepth(ChunkDepth), .ScaleDepth(ScaleDepth)
  ) u_unpack (
    .clk_i, .rst_ni,
    .tile_valid_i(tile_valid), .tile_ready_o(tile_ready), .tile_i(tile),
    .beat_valid_i(beat_valid), .beat_ready_o(beat_ready), .beat_data_i(beat_data), .beat_error_i(beat_error),
    .code_valid_o(code_valid), .code_addr_o(code_addr), .code_part_o(code_part), .code_data_o(code_data), .chunk_o,
    .scale_valid_o(scale_valid), .scale_addr_o(scale_addr), .scale_part_o(scale_part), .scale_data_o(scale_data),
    .bias_valid_o, .bias_entry_o, .bias_part_o, .bias_o, .error_o, .error_tag_o
  );

  fpq_ram #(
    .PartWidth(BusBits), .Parts(ChunkParts), .Depth(ChunkDepth), .Latency(ReadLatency)
  ) u_codes (
    .clk_i,
    .write_i(code_valid), .write_addr_i(code_addr), .write_part_i(code_part), .write_data_i(code_data),
    .read_addr_i(chunk_addr_i[ChunkLog2-1:0]), .read_data_o(codes_o)
  );

  fpq_ram #(
    .PartWidth(WordBits), .Parts(ScaleParts), .Depth(ScaleDepth), .Latency(ReadLatency)
  ) u_scales (
    .clk_i,
    .write_i(scale_valid), .write_addr_i(scale_addr), .write_part_i(scale_part), .write_data_i(scale_data),
    .read_addr_i(scale_addr_i[ScaleLog2-1:0]), .read_data_o(scales_o)
  );

  if (ChunkLog2 < RingAddrWidth || ScaleLog2 < RingAddrWidth) begin : gen_unused
    logic unused;
    assign unused = ^{chunk_addr_i, scale_addr_i};
  end

endmodule
