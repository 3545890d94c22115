// SPDX-License-Identifier: Apache-2.0
// Codes of words to chunks of `Lanes` codes, zeros beyond the group's end.

module fpq_pack #(
  parameter int Words = 8,
  parameter int Lanes = 32,
  parameter int CodeBits = 4,
  parameter int SideWidth = 1  // what passes along with the last word of a chunk
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      valid_i,
  input  logic                      last_i,  // of its group
  input  logic [SideWidth-1:0]      side_i,
  input  logic [Words*CodeBits-1:0] codes_i,
  output logic                      valid_o,
  output logic [SideWidth-1:0]      side_o,
  output logic [Lanes*CodeBits-1:0] codes_o
);

  localparam int Slots = Lanes / Words;
  localparam int SlotWidth = Slots > 1 ? $clog2(Slots) : 1;
  localparam int PieceBits = Words * CodeBits;

  logic [SlotWidth-1:0] slot_q;
  logic full;

  assign full = last_i | (slot_q == SlotWidth'(Slots - 1));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      slot_q  <= '0;
      valid_o <= 1'b0;
    end else begin
      if (valid_i) slot_q <= full ? '0 : slot_q + 1'b1;
      valid_o <= valid_i & full;
    end
    if (valid_i) side_o <= side_i;
  end

  for (genvar s = 0; s < Slots; s++) begin : gen_slot
    always_ff @(posedge clk_i) begin
      if (valid_i & (slot_q == SlotWidth'(s))) codes_o[s*PieceBits +: PieceBits] <= codes_i;
      else if (valid_i & (slot_q == '0)) codes_o[s*PieceBits +: PieceBits] <= '0;
    end
  end

endmodule
