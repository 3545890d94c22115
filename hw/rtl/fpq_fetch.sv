// SPDX-License-Identifier: Apache-2.0
// Reads the command list, a descriptor at a time, ahead of the units that work on it. It ends with the list, or with a
// descriptor that cannot be read.

`include "fpq_assert.svh"

module fpq_fetch
  import fpq_core_pkg::*;
#(
  parameter int BusBits = 128,
  localparam int HalfBits = fpq_pkg::DescriptorBytes * 4
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,
  input  logic [63:0]         list_addr_i,  // a multiple of 64
  input  logic [31:0]         count_i,      // not 0
  input  logic                room_i,       // another command may be under way
  // Reads
  output logic                fetch_valid_o,
  input  logic                fetch_ready_i,
  output logic [63:0]         fetch_addr_o,
  output logic [TagWidth-1:0] fetch_tag_o,
  input  logic                beat_valid_i,
  input  logic [BusBits-1:0]  beat_data_i,
  input  logic                beat_error_i,
  // Descriptors: the first half holds the fields; of the second matters only whether it is zero.
  output logic                command_valid_o,
  input  logic                command_ready_i,
  output logic [HalfBits-1:0] command_o,
  output logic                command_rest_o,  // the second half is not zero
  output logic [TagWidth-1:0] command_tag_o,
  // The descriptor with command_tag_o could not be read.
  output logic                error_o
);

  localparam int Beats = 2 * HalfBits / BusBits;
  localparam int BeatWidth = $clog2(Beats);

  `FPQ_REQUIRE(gen_fields, $bits(fpq_pkg::descriptor_t) == 2 * HalfBits && HalfBits % BusBits == 0,
               "fpq_fetch: a descriptor must be DescriptorBytes long, its halves whole bus beats")

  typedef enum logic [2:0] {
    Idle,
    Room,
    Ask,
    Collect,
    Look,     // at the last beat
    Offer
  } state_e;

  state_e state_q;
  logic [31:0] left_q;
  logic [BeatWidth-1:0] beat_q;
  logic beat_last, upper, last_q;
  logic look_q;                      // a beat of the second half was taken in the cycle before
  logic [BusBits/4-1:0] nonzero_q;   // which of its parts are not zero

  assign fetch_valid_o   = state_q == Ask;
  assign fetch_tag_o     = command_tag_o;
  assign command_valid_o = state_q == Offer;
  assign beat_last = &beat_q;
  assign upper = beat_q[BeatWidth-1];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      error_o <= 1'b0;
    end else begin
      unique case (state_q)
        Idle: if (start_i) state_q <= Room;
        Room: if (room_i) state_q <= Ask;
        Ask: if (fetch_ready_i) state_q <= Collect;
        Collect: if (beat_valid_i && beat_last) state_q <= Look;
        Look: state_q <= error_o ? Idle : Offer;
        Offer: if (command_ready_i) state_q <= last_q ? Idle : Room;
        default: state_q <= Idle;
      endcase
      if (state_q == Collect && beat_valid_i && beat_error_i) error_o <= 1'b1;
    end

    if (state_q == Idle) begin
      fetch_addr_o  <= list_addr_i;
      left_q        <= count_i;
      beat_q        <= '0;
      command_tag_o <= error_o ? command_tag_o : '0;
    end else if (state_q == Offer && command_ready_i) begin
      fetch_addr_o  <= fetch_addr_o + 64'(fpq_pkg::DescriptorBytes);
      left_q        <= left_q - 1'b1;
      command_tag_o <= command_tag_o + 1'b1;
    end
    last_q <= left_q == 32'd1;  // long there when the descriptor is
    look_q <= rst_ni && state_q == Collect && beat_valid_i && upper;
    if (state_q == Ask) command_rest_o <= 1'b0;
    else if (look_q) command_rest_o <= command_rest_o | (|nonzero_q);
    if (state_q == Collect && beat_valid_i) begin
      beat_q <= beat_q + 1'b1;
      for (int i = 0; i < BusBits / 4; i++) nonzero_q[i] <= |beat_data_i[4*i+:4];
      if (!upper) command_o <= HalfBits'({beat_data_i, command_o} >> BusBits);
    end
  end

  `FPQ_ASSERT_STABLE(FetchStable, fetch_valid_o, fetch_ready_i, {fetch_addr_o, fetch_tag_o})
  `FPQ_ASSERT_STABLE(CommandStable, command_valid_o, command_ready_i, {command_o, command_rest_o, command_tag_o})
  `FPQ_ASSERT(SomeCommands, !start_i || count_i != '0)
  `FPQ_ASSERT(BeatExpected, !beat_valid_i || state_q == Collect)

endmodule
