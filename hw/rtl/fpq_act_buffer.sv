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

  logic form_valid, form_take, active_q, row_in, tile_last, rows_last, tile_more;
  logic [31:0] rows;
  logic [32:0] left_q;                       // rows of the command from this one on, less 2: the sign tells of the last
  logic [TagWidth-1:0] tag, tag_q;
  logic [AddrWidth-1:0] base_q, addr_q, next;  // first chunk of the tile, chunk to write, the one after it
  logic [RowLog2-1:0] row_q;
  logic row_last_q;                            // it is the tile's last: no comparison stands before the address's adder

  fpq_fifo #(.Width(TagWidth + 32), .Depth(4)) u_form (
    .clk_i, .rst_ni,
    .valid_i(form_valid_i), .ready_o(form_ready_o), .data_i({form_tag_i, form_rows_i}),
    .valid_o(form_valid), .ready_i(form_take), .data_o({tag, rows})
  );

  assign row_in    = chunk_valid_i & chunk_row_last_i;
  assign rows_last = left_q[32];
  assign tile_last = row_last_q | rows_last;
  assign tile_more = chunk_row_last_i & ~tile_last;  // the tile's next row begins
  assign form_take = ~active_q | (row_in & rows_last);
  assign next      = (tile_more ? base_q : addr_q) + {{AddrWidth-1{1'b0}}, ~tile_more};  // one adder

  always_ff @(posedge clk_i) begin
    tile_o          <= rst_ni & row_in & tile_last;
    nonfinite_o     <= rst_ni & row_in & chunk_nonfinite_i;
    nonfinite_tag_o <= tag_q;
    if (!rst_ni) begin
      active_q   <= 1'b0;
      base_q     <= '0;
      addr_q     <= '0;
      row_q      <= '0;
      row_last_q <= Rows == 1;
    end else begin
      if (form_take) active_q <= form_valid;
      if (chunk_valid_i) addr_q <= next;
      if (row_in) begin
        row_q      <= tile_last ? '0 : row_q + 1'b1;
        row_last_q <= Rows == 1 || (!tile_last && row_q == RowLog2'(Rows - 2));
      end
      if (row_in & tile_last) base_q <= next;
    end
    if (form_take) tag_q <= tag;
    if (form_take | row_in) left_q <= (form_take ? {1'b0, rows} : left_q) + {32'hffff_ffff, ~form_take};
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

  `FPQ_ASSERT(FormFirst, !chunk_valid_i || active_q)

endmodule
