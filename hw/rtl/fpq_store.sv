// SPDX-License-Identifier: Apache-2.0
// Takes the banks' outputs and writes them to Y, row by row over all banks; says when a command is complete. Neighbouring
// banks whose row is a single piece are taken together, as one bank as wide as the bus has room for.

`include "fpq_assert.svh"

module fpq_store
  import fpq_core_pkg::*;
#(
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Banks = 1,
  parameter int OutWidth = 4,
  parameter int BusBits = 128
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              stop_i,
  output logic                              idle_o,
  input  logic                              job_valid_i,
  output logic                              job_ready_o,
  input  store_job_t                        job_i,
  input  logic [Banks-1:0]                  y_valid_i,
  output logic [Banks-1:0]                  y_ready_o,
  input  logic [Banks-1:0][OutWidth*16-1:0] y_data_i,
  input  logic [Banks-1:0][OutWidth-1:0]    y_overflow_i,
  output logic                              set_o,      // a set of column tiles has left the banks
  output logic                              retire_o,   // a command is complete
  output logic                              error_o,    // memory answered a write of the oldest command with an error
  output logic                              overflow_o,
  output logic [TagWidth-1:0]               overflow_tag_o,
  // AXI4 write channels
  output logic                              awvalid_o,
  input  logic                              awready_i,
  output logic [63:0]                       awaddr_o,
  output logic [7:0]                        awlen_o,
  output logic                              wvalid_o,
  input  logic                              wready_i,
  output logic [BusBits-1:0]                wdata_o,
  output logic [BusBits/8-1:0]              wstrb_o,
  output logic                              wlast_o,
  input  logic                              bvalid_i,
  output logic                              bready_o,
  input  logic [1:0]                        bresp_i
);

  // Banks that are taken together. N is a multiple of 32: as many columns are there in all of them, or in none.
  function automatic int gang();
    gang = 1;
    for (int g = 2; g <= Banks; g *= 2) begin
      if (Columns == OutWidth && Banks % g == 0 && g * OutWidth * 16 <= BusBits && 32 % (g * OutWidth) == 0) gang = g;
    end
  endfunction
  localparam int Gang = gang();
  localparam int Gangs = Banks / Gang;

  // Room for two of the longest rows of a set, which may begin inside a beat.
  localparam int RowBeats = (Banks * Columns * 16 + BusBits - 1) / BusBits + 1;
  localparam int DataDepth = 2 ** $clog2(2 * RowBeats);

  logic row_valid, row_ready, row_nop, beat_valid, beat_ready;
  logic segment_valid, segment_ready, segment_nop, segment_last;
  row_t row;
  logic [BusBits-1:0] beat_data;
  logic [BusBits/64-1:0] beat_strobe;
  logic [63:0] segment_addr;
  logic [RowSpanWidth-1:0] segment_span;

  `FPQ_REQUIRE(gen_bad_row, Banks * Columns * 2 + BusBits / 8 < 2 ** RowSpanWidth,
               "fpq_store: a row of all banks' column tiles is too long; use fewer columns or banks")

  logic [Gangs-1:0] gang_valid, gang_ready;
  for (genvar g = 0; g < Gangs; g++) begin : gen_gang
    assign gang_valid[g] = &y_valid_i[g*Gang+:Gang];
    assign y_ready_o[g*Gang+:Gang] = {Gang{gang_ready[g] & gang_valid[g]}};
  end

  fpq_store_walk #(.Rows(Rows), .Columns(Columns * Gang), .Banks(Gangs)) u_walk (
    .clk_i, .rst_ni, .job_valid_i, .job_ready_o, .job_i,
    .row_valid_o(row_valid), .row_ready_i(row_ready), .row_o(row), .row_nop_o(row_nop)
  );

  fpq_store_pack #(
    .BusBits(BusBits), .Columns(Columns * Gang), .OutWidth(OutWidth * Gang), .Banks(Gangs)
  ) u_pack (
    .clk_i, .rst_ni,
    .row_valid_i(row_valid), .row_ready_o(row_ready), .row_i(row), .row_nop_i(row_nop),
    .y_valid_i(gang_valid), .y_ready_o(gang_ready), .y_data_i, .y_overflow_i,
    .beat_valid_o(beat_valid), .beat_ready_i(beat_ready), .beat_data_o(beat_data), .beat_strobe_o(beat_strobe),
    .segment_valid_o(segment_valid), .segment_ready_i(segment_ready), .segment_addr_o(segment_addr),
    .segment_span_o(segment_span), .segment_nop_o(segment_nop), .segment_last_o(segment_last),
    .set_o, .overflow_o, .overflow_tag_o
  );

  fpq_axi_write #(.BusBits(BusBits), .SpanWidth(RowSpanWidth), .DataDepth(DataDepth)) u_write (
    .clk_i, .rst_ni, .stop_i, .idle_o,
    .beat_valid_i(beat_valid), .beat_ready_o(beat_ready), .beat_data_i(beat_data), .beat_strobe_i(beat_strobe),
    .segment_valid_i(segment_valid), .segment_ready_o(segment_ready), .segment_addr_i(segment_addr),
    .segment_span_i(segment_span), .segment_nop_i(segment_nop), .segment_last_i(segment_last),
    .retire_o, .error_o,
    .awvalid_o, .awready_i, .awaddr_o, .awlen_o, .wvalid_o, .wready_i, .wdata_o, .wstrb_o, .wlast_o,
    .bvalid_i, .bready_o, .bresp_i
  );

endmodule
