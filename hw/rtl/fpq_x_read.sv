// SPDX-License-Identifier: Apache-2.0
// The master that reads X and the command list. Runs of both go out in turn, descriptors first; each run's beats come back,
// shifted to begin at bit 0, to the side that asked. Both sides ask only for what they can take.

`include "fpq_assert.svh"

module fpq_x_read #(
  parameter int BusBits = 128,
  parameter int BytesWidth = 15,
  parameter int TagWidth = 4
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  stop_i,
  output logic                  idle_o,
  // Descriptors: addresses are multiples of 64 bytes; always accepted when they come.
  input  logic                  fetch_valid_i,
  output logic                  fetch_ready_o,
  input  logic [63:0]           fetch_addr_i,
  input  logic [BytesWidth-1:0] fetch_span_i,   // bytes, a multiple of 64, less 1
  input  logic [TagWidth-1:0]   fetch_tag_i,
  output logic                  fetch_data_valid_o,
  output logic                  fetch_error_o,  // memory answered this beat with an error
  // Rows of X: addresses are multiples of 8 bytes.
  input  logic                  row_valid_i,
  output logic                  row_ready_o,
  input  logic [63:0]           row_addr_i,
  input  logic [BytesWidth-1:0] row_span_i,     // the same
  input  logic [TagWidth-1:0]   row_tag_i,
  output logic                  row_data_valid_o,
  input  logic                  row_data_ready_i,
  output logic [BusBits-1:0]    data_o,         // of either
  // Memory answered a read of X for the command with this tag with an error.
  output logic                  error_o,
  output logic [TagWidth-1:0]   error_tag_o,
  // AXI4 read channels
  output logic                  arvalid_o,
  input  logic                  arready_i,
  output logic [63:0]           araddr_o,
  output logic [7:0]            arlen_o,
  input  logic                  rvalid_i,
  output logic                  rready_o,
  input  logic [BusBits-1:0]    rdata_i,
  input  logic [1:0]            rresp_i,
  input  logic                  rlast_i
);

  localparam int BeatLog2 = $clog2(BusBits / 8);
  localparam int OffsetWidth = BusBits > 64 ? BeatLog2 - 3 : 1;
  localparam int BeatsWidth = BytesWidth - BeatLog2;

  // A run goes its way in three steps of one bit each, so that none waits for another's long way: whose it is, its bursts,
  // and the note of what its beats are for.
  typedef enum logic [2:0] {
    Pick = 3'b001,
    Run  = 3'b010,
    Note = 3'b100
  } step_e;

  step_e step_q;
  logic fetch_q, in_pick, in_run, in_note, run_ready, info_ready;
  logic [63:0] addr;
  logic [BytesWidth-1:0] span;
  logic [TagWidth-1:0] tag;
  logic [OffsetWidth-1:0] offset;

  assign {in_note, in_run, in_pick} = step_q;
  assign addr = fetch_q ? fetch_addr_i : row_addr_i;
  assign span = fetch_q ? fetch_span_i : row_span_i;
  assign tag  = fetch_q ? fetch_tag_i : row_tag_i;
  assign fetch_ready_o = in_note & info_ready & fetch_q;
  assign row_ready_o   = in_note & info_ready & ~fetch_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_q <= Pick;
    end else begin
      unique case (step_q)
        Pick: if (fetch_valid_i | row_valid_i) step_q <= Run;
        Run: if (run_ready) step_q <= Note;
        Note: if (info_ready) step_q <= Pick;
        default: step_q <= Pick;
      endcase
    end
    if (in_pick) fetch_q <= fetch_valid_i;
  end

  if (BusBits > 64) begin : gen_offset
    assign offset = addr[BeatLog2-1:3];
  end else begin : gen_no_offset
    assign offset = '0;
  end

  // What is under way, in order.
  localparam int InfoWidth = 1 + TagWidth + OffsetWidth + BeatsWidth;
  logic queue_valid, queue_pop;
  logic [InfoWidth-1:0] queue_data;
  logic info_valid, info_pop, info_fetch, fetch;
  logic [TagWidth-1:0] info_tag;
  logic [OffsetWidth-1:0] info_offset;
  logic [BeatsWidth-1:0] info_beats;

  fpq_fifo #(.Width(InfoWidth), .Depth(16)) u_info (
    .clk_i, .rst_ni,
    .valid_i(in_note), .ready_o(info_ready),
    .data_i({fetch_q, tag, offset, span[BytesWidth-1:BeatLog2]}),
    .valid_o(queue_valid), .ready_i(queue_pop), .data_o(queue_data)
  );

  fpq_slice #(.Width(InfoWidth)) u_next (
    .clk_i, .rst_ni, .valid_i(queue_valid), .ready_o(queue_pop), .data_i(queue_data),
    .valid_o(info_valid), .ready_i(info_pop), .data_o({info_fetch, info_tag, info_offset, info_beats})
  );

  logic beat_valid, beat_ready, beat_error, data_valid;
  logic [BusBits-1:0] beat_data;

  fpq_axi_read #(.BusBits(BusBits), .SpanWidth(BytesWidth)) u_read (
    .clk_i, .rst_ni, .stop_i, .idle_o,
    .run_valid_i(in_run), .run_ready_o(run_ready), .run_addr_i(addr), .run_span_i(span),
    .beat_valid_o(beat_valid), .beat_ready_i(beat_ready), .beat_data_o(beat_data), .beat_error_o(beat_error),
    .arvalid_o, .arready_i, .araddr_o, .arlen_o, .rvalid_i, .rready_o, .rdata_i, .rresp_i, .rlast_i
  );

  fpq_realign #(.BusBits(BusBits), .BeatsWidth(BeatsWidth), .SideWidth(1 + TagWidth)) u_realign (
    .clk_i, .rst_ni,
    .run_valid_i(info_valid), .run_ready_o(info_pop), .run_offset_i(info_offset), .run_beats_i(info_beats),
    .run_side_i({info_fetch, info_tag}),
    .beat_valid_i(beat_valid), .beat_ready_o(beat_ready), .beat_data_i(beat_data),
    .data_valid_o(data_valid), .data_ready_i(fetch | row_data_ready_i), .data_o,
    .side_o({fetch, error_tag_o})
  );

  assign fetch_data_valid_o = data_valid & fetch;
  assign row_data_valid_o   = data_valid & ~fetch;
  assign fetch_error_o = beat_error;  // descriptors are aligned: beats pass one to one
  assign error_o = beat_valid & beat_ready & beat_error & ~fetch;

  `FPQ_ASSERT_STABLE(FetchStable, fetch_valid_i, fetch_ready_o, {fetch_addr_i, fetch_span_i})
  `FPQ_ASSERT_STABLE(RowStable, row_valid_i, row_ready_o, {row_addr_i, row_span_i})

endmodule
