// SPDX-License-Identifier: Apache-2.0
// Counts what is on its way inside the prologue, so that no more is sent than there is room for.

`include "fpq_assert.svh"

module fpq_prologue_room #(
  parameter int BufferWords = 1280,  // of the row buffer
  parameter int BlockWords = 16,     // of 128 elements
  parameter int Groups = 32          // scales that can wait
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic send_i,             // a word left the block buffer
  input  logic send_group_last_i,  // the last of its group
  input  logic arrive_i,           // a word reached the row buffer
  input  logic pop_i,              // a word left it
  input  logic group_pop_i,        // a group's scale was used for the last time
  output logic room_o,             // for a block that is not begun yet
  output logic drained_o           // no word is between block buffer and row buffer
);

  // Flags are a cycle late and two words may be sent meanwhile: keep a margin of four.
  localparam int WordsWidth = $clog2(BufferWords + 1);
  localparam int GroupsWidth = $clog2(Groups + 1);
  localparam logic [WordsWidth-1:0] WordsLimit = WordsWidth'(BufferWords - BlockWords - 4);
  localparam logic [GroupsWidth-1:0] GroupsLimit = GroupsWidth'(Groups - 8);

  logic [WordsWidth-1:0] words_q;
  logic [GroupsWidth-1:0] groups_q;
  logic [7:0] transit_q;
  logic drained_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      words_q   <= '0;
      groups_q  <= '0;
      transit_q <= '0;
      drained_q <= 1'b0;
      room_o    <= 1'b0;
    end else begin
      // One adder each; by 1 or -1.
      if (send_i ^ pop_i) words_q <= words_q + (send_i ? WordsWidth'(1) : '1);
      if (send_group_last_i ^ group_pop_i) groups_q <= groups_q + (send_group_last_i ? GroupsWidth'(1) : '1);
      if (send_i ^ arrive_i) transit_q <= transit_q + (send_i ? 8'd1 : '1);
      drained_q <= ~send_i & (transit_q == 8'd0);
      room_o    <= (words_q <= WordsLimit) & (groups_q <= GroupsLimit);
    end
  end
  // A word just being sent counts, too.
  assign drained_o = ~send_i & drained_q;

  `FPQ_ASSERT(WordsFit, words_q <= WordsWidth'(BufferWords))
  `FPQ_ASSERT(GroupsFit, groups_q <= GroupsWidth'(Groups))

endmodule
