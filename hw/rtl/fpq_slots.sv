// SPDX-License-Identifier: Apache-2.0
// Which accumulator slots of the banks are free. A slot is taken by the end of a run; it is free again when its sum is in
// (all banks keep step, so one of them speaks for all) or, after a tile's last run, when all banks have drained it.

`include "fpq_assert.svh"

module fpq_slots #(
  parameter int Banks = 1,
  parameter int Slots = 16,
  localparam int SlotLog2 = $clog2(Slots)
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,
  input  logic                           take_i,
  input  logic [SlotLog2-1:0]            take_slot_i,
  input  logic                           take_drain_i,  // the tile's last run
  input  logic [Banks-1:0]               take_mask_i,   // banks that take part
  input  logic                           sum_valid_i,
  input  logic [SlotLog2-1:0]            sum_slot_i,
  input  logic [Banks-1:0]               drain_valid_i,
  input  logic [Banks-1:0][SlotLog2-1:0] drain_slot_i,
  output logic [Slots-1:0]               free_o,
  output logic [Slots-1:0]               drains_o       // not free because of a drain
);

  logic [Slots-1:0] sums_q;                 // sums under way
  logic [Banks-1:0][Slots-1:0] drains_q;    // drains under way
  logic [Slots-1:0] drains;
  logic [Banks-1:0] drain_q;                // what the banks say, a cycle later: a slot's number is read from a memory
  logic [Banks-1:0][SlotLog2-1:0] drain_slot_q;
  // Whose slot it is that was taken is noted a cycle later; free_o does not wait for it.
  logic taken_q, taken_drain_q;
  logic [SlotLog2-1:0] taken_slot_q;
  logic [Banks-1:0] taken_mask_q;

  always_comb begin
    drains = '0;
    for (int p = 0; p < Banks; p++) drains |= drains_q[p];
  end

  always_ff @(posedge clk_i) begin
    taken_slot_q  <= take_slot_i;
    taken_drain_q <= take_drain_i;
    taken_mask_q  <= take_mask_i;
    taken_q       <= rst_ni & take_i;
    drain_q       <= {Banks{rst_ni}} & drain_valid_i;
    drain_slot_q  <= drain_slot_i;
    if (!rst_ni) begin
      sums_q   <= '0;
      drains_q <= '0;
      free_o   <= '1;
      drains_o <= '0;
    end else begin
      free_o   <= ~(sums_q | drains);
      drains_o <= drains;
      if (sum_valid_i) sums_q[sum_slot_i] <= 1'b0;
      for (int p = 0; p < Banks; p++) begin
        if (drain_q[p]) drains_q[p][drain_slot_q[p]] <= 1'b0;
      end
      if (take_i) free_o[take_slot_i] <= 1'b0;
      if (taken_q) begin
        free_o[taken_slot_q] <= 1'b0;
        if (!taken_drain_q) sums_q[taken_slot_q] <= 1'b1;
        for (int p = 0; p < Banks; p++) begin
          if (taken_drain_q && taken_mask_q[p]) drains_q[p][taken_slot_q] <= 1'b1;
        end
      end
    end
  end

  `FPQ_ASSERT(TakeFree, !take_i || free_o[take_slot_i])
  `FPQ_ASSERT(SumWanted, !sum_valid_i || sums_q[sum_slot_i])
  for (genvar p = 0; p < Banks; p++) begin : gen_bank
    `FPQ_ASSERT(DrainWanted, !drain_q[p] || drains_q[p][drain_slot_q[p]])
  end

endmodule
