// SPDX-License-Identifier: Apache-2.0
// The activation buffer: a ring of chunks of Rows x Lanes codes. The prologue's chunks go in row by row; a row tile is
// announced when its last row is in. A group's scales lie beside the codes of its last chunk.

`include "fpq_assert.svh"

module fpq_act_buffer
  import fpq_core_pkg::*;
#(
  parameter int Rows = 4,
  parameter int CodesWidth = 128,  // bits of a row's chunk
  parameter int ActDepth = 1024,
  parameter int Dual = 1,          // the family has a dual format
  parameter int Latency = 3,
  parameter int Ultra = 0,
  localparam int AddrWidth = $clog2(ActDepth)
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  // The next so many rows belong to the command with this tag.
  input  logic                       form_valid_i,
  output logic                       form_ready_o,
  input  logic [31:0]                form_rows_i,
  input  logic [TagWidth-1:0]        form_tag_i,
  // From the prologue
  input  logic                       chunk_valid_i,
  input  logic [CodesWidth-1:0]      chunk_codes_i,
  input  logic [15:0]                chunk_scale_i,
  input  logic [15:0]                chunk_scale_negative_i,
  input  logic                       chunk_row_last_i,
  input  logic                       chunk_nonfinite_i,
  output logic                       tile_o,          // a row tile is complete
  output logic                       nonfinite_o,     // a row of the tag's command held Inf or NaN
  output logic [TagWidth-1:0]        nonfinite_tag_o,
  // To the banks, Latency cycles after the address
  input  logic [AddrWidth-1:0]       read_addr_i,
  input  logic                       read_negative_i,
  output logic [Rows*CodesWidth-1:0] codes_o,
  output logic [Rows*16-1:0]         scales_o
);

  localparam int RowLog2 = Rows > 1 ? $clog2(Rows) : 1;

  logic rows_valid, rows_pop, tile_last, rows_last;
  logic [31:0] rows, done_q;             // rows of the command; those that are in
  logic [TagWidth-1:0] tag;
  logic [AddrWidth-1:0] base_q, addr_q;  // first chunk of the tile, chunk to write
  logic [RowLog2-1:0] row_q;

  fpq_fifo #(.Width(TagWidth + 32), .Depth(4)) u_form (
    .clk_i, .rst_ni,
    .valid_i(form_valid_i), .ready_o(form_ready_o), .data_i({form_tag_i, form_rows_i}),
    .valid_o(rows_valid), .ready_i(rows_pop), .data_o({tag, rows})
  );

  assign rows_last = done_q == rows - 1'b1;
  assign tile_last = row_q == RowLog2'(Rows - 1) || rows_last;
  assign rows_pop  = chunk_valid_i & chunk_row_last_i & rows_last;

  always_ff @(posedge clk_i) begin
    tile_o          <= rst_ni & chunk_valid_i & chunk_row_last_i & tile_last;
    nonfinite_o     <= rst_ni & chunk_valid_i & chunk_row_last_i & chunk_nonfinite_i;
    nonfinite_tag_o <= tag;
    if (!rst_ni) begin
      base_q <= '0;
      addr_q <= '0;
      row_q  <= '0;
      done_q <= '0;
    end else if (chunk_valid_i) begin
      addr_q <= addr_q + 1'b1;
      if (chunk_row_last_i) begin
        row_q  <= tile_last ? '0 : row_q + 1'b1;
        done_q <= rows_last ? '0 : done_q + 1'b1;
        if (tile_last) base_q <= addr_q + 1'b1;
        else addr_q <= base_q;
      end
    end
  end

  fpq_ram #(
    .PartWidth(CodesWidth), .Parts(Rows), .Depth(ActDepth), .Latency(Latency), .Ultra(Ultra)
  ) u_codes (
    .clk_i,
    .write_i(chunk_valid_i), .write_addr_i(addr_q), .write_part_i(row_q), .write_data_i(chunk_codes_i),
    .read_addr_i, .read_data_o(codes_o)
  );

  logic [Rows*16-1:0] scales;

  fpq_ram #(
    .PartWidth(16), .Parts(Rows), .Depth(ActDepth), .Latency(Latency), .Ultra(Ultra)
  ) u_scales (
    .clk_i,
    .write_i(chunk_valid_i), .write_addr_i(addr_q), .write_part_i(row_q), .write_data_i(chunk_scale_i),
    .read_addr_i, .read_data_o(scales)
  );

  if (Dual != 0) begin : gen_dual
    logic [Rows*16-1:0] scales_negative;
    logic negative;

    fpq_ram #(
      .PartWidth(16), .Parts(Rows), .Depth(ActDepth), .Latency(Latency), .Ultra(Ultra)
    ) u_scales_negative (
      .clk_i,
      .write_i(chunk_valid_i), .write_addr_i(addr_q), .write_part_i(row_q), .write_data_i(chunk_scale_negative_i),
      .read_addr_i, .read_data_o(scales_negative)
    );

    fpq_delay #(.Width(1), .Cycles(Latency)) u_negative (
      .clk_i, .data_i(read_negative_i), .data_o(negative)
    );
    assign scales_o = negative ? scales_negative : scales;
  end else begin : gen_plain
    logic unused_negative;
    assign unused_negative = ^{read_negative_i, chunk_scale_negative_i};
    assign scales_o = scales;
  end

  `FPQ_ASSERT(FormFirst, !chunk_valid_i || rows_valid)

endmodule
