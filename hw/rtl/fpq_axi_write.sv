// SPDX-License-Identifier: Apache-2.0
// AXI4 write master. A segment is offered when all its beats have been taken, so an address never waits for its data. The
// responses say which command is complete. On stop_i no burst begins any more; once idle_o is up the unit can be reset.

`include "fpq_assert.svh"

module fpq_axi_write #(
  parameter int BusBits = 128,
  parameter int SpanWidth = 10,
  parameter int DataDepth = 16,  // beats that wait; holds the longest segment; a power of two
  parameter int MaxBursts = 32   // under way at a time; a power of two
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 stop_i,
  output logic                 idle_o,
  // Beats, with a strobe for each 64-bit word
  input  logic                 beat_valid_i,
  output logic                 beat_ready_o,
  input  logic [BusBits-1:0]   beat_data_i,
  input  logic [BusBits/64-1:0] beat_strobe_i,
  // Segments: see fpq_burst for the span. A nop only marks the end of a command.
  input  logic                 segment_valid_i,
  output logic                 segment_ready_o,
  input  logic [63:0]          segment_addr_i,
  input  logic [SpanWidth-1:0] segment_span_i,
  input  logic                 segment_nop_i,
  input  logic                 segment_last_i,  // the command's last
  // All writes of a command are complete; memory answered one with an error.
  output logic                 retire_o,
  output logic                 error_o,
  // AXI4 write channels
  output logic                 awvalid_o,
  input  logic                 awready_i,
  output logic [63:0]          awaddr_o,
  output logic [7:0]           awlen_o,
  output logic                 wvalid_o,
  input  logic                 wready_i,
  output logic [BusBits-1:0]   wdata_o,
  output logic [BusBits/8-1:0] wstrb_o,
  output logic                 wlast_o,
  input  logic                 bvalid_i,
  output logic                 bready_o,
  input  logic [1:0]           bresp_i
);

  localparam int Words = BusBits / 64;
  localparam int BurstBeats = 64;

  // Segments to bursts. A nop goes through as a run of one beat that is not written, so it keeps its place.
  localparam int CountLog2 = $clog2(BurstBeats);
  localparam int BurstLog2 = CountLog2 + $clog2(BusBits / 8);

  logic run_take, nop_q, command_last_q, burst_valid, burst_ready, burst_last, burst_take, write_take;
  logic [63:0] burst_addr, run_addr;
  logic [7:0] burst_len;
  logic [SpanWidth-1:0] run_span;
  logic mark_ready, address_ready, length_ready;

  assign run_addr = {segment_addr_i[63:BurstLog2], segment_addr_i[BurstLog2-1:0] & {BurstLog2{~segment_nop_i}}};
  assign run_span = segment_nop_i ? '0 : segment_span_i;
  assign run_take = segment_valid_i & segment_ready_o;

  fpq_burst #(.BusBits(BusBits), .BurstBeats(BurstBeats), .SpanWidth(SpanWidth)) u_burst (
    .clk_i, .rst_ni,
    .run_valid_i(segment_valid_i), .run_ready_o(segment_ready_o), .run_addr_i(run_addr), .run_span_i(run_span),
    .burst_valid_o(burst_valid), .burst_ready_i(burst_ready),
    .burst_addr_o(burst_addr), .burst_len_o(burst_len), .burst_last_o(burst_last)
  );

  always_ff @(posedge clk_i) begin
    if (run_take) begin
      nop_q          <= segment_nop_i;
      command_last_q <= segment_last_i;
    end
  end

  assign burst_ready = mark_ready & address_ready & ~stop_i;
  assign burst_take = burst_valid & burst_ready;
  assign write_take = burst_take & ~nop_q;

  logic [CountLog2-1:0] address_len;
  fpq_fifo #(.Width(64 + CountLog2), .Depth(2)) u_address (
    .clk_i, .rst_ni,
    .valid_i(write_take), .ready_o(address_ready), .data_i({burst_len[CountLog2-1:0], burst_addr}),
    .valid_o(awvalid_o), .ready_i(awready_i), .data_o({address_len, awaddr_o})
  );
  assign awlen_o = 8'(address_len);

  // The data of the bursts that have begun
  logic length_valid, length_take, data_valid, w_take;
  logic writing_q;                // a burst's beats go out: all of them are in the queue
  logic write_q;                  // a burst was taken in the cycle before
  logic [CountLog2-1:0] length_q, length;
  logic [CountLog2:0] left_q;     // beats after this one, less 1: the sign tells of the last
  logic [Words-1:0] strobe;

  // There is room for a length: each that waits has a beat in the queue below.
  fpq_fifo #(.Width(CountLog2), .Depth(DataDepth)) u_length (
    .clk_i, .rst_ni,
    .valid_i(write_q), .ready_o(length_ready), .data_i(length_q),
    .valid_o(length_valid), .ready_i(length_take), .data_o(length)
  );

  fpq_fifo #(.Width(BusBits + Words), .Depth(DataDepth)) u_data (
    .clk_i, .rst_ni,
    .valid_i(beat_valid_i), .ready_o(beat_ready_o), .data_i({beat_strobe_i, beat_data_i}),
    .valid_o(data_valid), .ready_i(w_take), .data_o({strobe, wdata_o})
  );

  assign wvalid_o = writing_q;
  assign w_take = wvalid_o & wready_i;
  assign wlast_o = left_q[CountLog2];
  assign length_take = ~writing_q | (wready_i & wlast_o);
  always_comb begin
    for (int i = 0; i < Words; i++) wstrb_o[8*i +: 8] = {8{strobe[i]}};
  end

  always_ff @(posedge clk_i) begin
    write_q  <= rst_ni & write_take;
    length_q <= burst_len[CountLog2-1:0];
    if (!rst_ni) writing_q <= 1'b0;
    else if (length_take) writing_q <= length_valid;
    if (~writing_q | wready_i) left_q <= (length_take ? {1'b0, length} : left_q) + '1;
  end

  // What a response means, in order: {no response comes, it is the command's last}. The oldest is in a register.
  logic more_valid, more_ready, mark_valid, mark_nop, mark_last, mark_take;
  logic [1:0] more;

  fpq_fifo #(.Width(2), .Depth(MaxBursts)) u_marks (
    .clk_i, .rst_ni,
    .valid_i(burst_take), .ready_o(mark_ready), .data_i({nop_q, burst_last & command_last_q}),
    .valid_o(more_valid), .ready_i(more_ready), .data_o(more)
  );

  fpq_slice #(.Width(2)) u_mark (
    .clk_i, .rst_ni,
    .valid_i(more_valid), .ready_o(more_ready), .data_i(more),
    .valid_o(mark_valid), .ready_i(mark_nop | bvalid_i), .data_o({mark_nop, mark_last})
  );

  assign bready_o = mark_valid & ~mark_nop;
  assign mark_take = mark_valid & (mark_nop | bvalid_i);
  assign idle_o = ~(more_valid | mark_valid);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) error_o <= 1'b0;
    else if (bvalid_i & bready_o & bresp_i[1]) error_o <= 1'b1;  // stays: nothing retires any more
    retire_o <= rst_ni & mark_take & mark_last & ~error_o & (mark_nop | ~bresp_i[1]);
  end

  logic unused;
  assign unused = ^{bresp_i[0], burst_len[7:CountLog2]};

  `FPQ_ASSERT_STABLE(AwStable, awvalid_o, awready_i, {awaddr_o, awlen_o})
  `FPQ_ASSERT_STABLE(WStable, wvalid_o, wready_i, {wdata_o, wstrb_o, wlast_o})
  `FPQ_ASSERT(LengthRoom, !write_q || length_ready)
  `FPQ_ASSERT(DataThere, !writing_q || data_valid)
  `FPQ_ASSERT_STABLE(BStable, bvalid_i, bready_o, bresp_i)

endmodule
