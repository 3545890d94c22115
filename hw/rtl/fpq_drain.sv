// SPDX-License-Identifier: Apache-2.0
// Reads finished tiles out of the accumulators, in the order in which they were finished, row by row: adds the bias,
// converts to FP16. The whole pipeline stands still while the slice at its end has no room: a register tells it.

`include "fpq_assert.svh"

module fpq_drain
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Share = 4,
  parameter int Slots = 8,
  parameter int OutWidth = 4,
  localparam int Groups = Rows / Share,     // row groups, each of Columns float units
  localparam int Parts = Columns / OutWidth,
  localparam int SlotBits = $clog2(Slots),
  localparam int PartBits = Parts > 1 ? $clog2(Parts) : 1,
  localparam int StepBits = Share > 1 ? $clog2(Share) : 1,
  localparam int GroupBits = Groups > 1 ? $clog2(Groups) : 1,
  localparam int FloatBits = $bits(float_t)
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                tile_valid_i,  // a tile is finished; never more than Slots wait
  input  logic [SlotBits-1:0]                 tile_slot_i,
  input  logic [BiasWidth-1:0]                tile_bias_i,
  input  logic                                bias_valid_i,
  input  logic [BiasWidth-1:0]                bias_entry_i,
  input  logic [PartBits-1:0]                 bias_part_i,
  input  logic [OutWidth*32-1:0]              bias_i,
  output logic                                read_enable_o,
  output logic [SlotBits-1:0]                 read_slot_o,
  output logic [StepBits-1:0]                 read_step_o,
  input  logic [Groups*Columns*FloatBits-1:0] read_data_i,   // one enabled cycle later; unit g * Columns + c
  output logic                                drain_valid_o,
  output logic [SlotBits-1:0]                 drain_slot_o,
  output logic                                y_valid_o,
  input  logic                                y_ready_i,
  output logic [OutWidth*16-1:0]              y_data_o,
  output logic [OutWidth-1:0]                 y_overflow_o
);

  localparam int Latency = 3 + AddLatency + Fp16Latency;

  logic advance;
  logic tile_valid, tile_ready, fifo_ready;
  logic [BiasWidth-1:0] tile_bias;

  assign read_enable_o = advance;

  fpq_fifo #(
    .Width(SlotBits + BiasWidth),
    .Depth(Slots)
  ) u_tiles (
    .clk_i,
    .rst_ni,
    .valid_i(tile_valid_i),
    .ready_o(fifo_ready),
    .data_i ({tile_slot_i, tile_bias_i}),
    .valid_o(tile_valid),
    .ready_i(tile_ready),
    .data_o ({read_slot_o, tile_bias})
  );

  `FPQ_ASSERT(TileFits, !(tile_valid_i && !fifo_ready))

  // Cycle 0: which piece is read.
  logic [PartBits-1:0] part_q;
  logic [StepBits-1:0] step_q;
  logic [GroupBits-1:0] group_q;
  logic part_last, step_last, group_last, tile_last;

  // Pieces of the tile from this one on, less 2: the sign tells of the last.
  localparam int Pieces = Rows * Parts;
  localparam int LeftBits = $clog2(Pieces) + 1;
  logic [LeftBits-1:0] left_q;

  assign part_last  = part_q == PartBits'(Parts - 1);
  assign step_last  = step_q == StepBits'(Share - 1);
  assign group_last = group_q == GroupBits'(Groups - 1);
  assign tile_last  = left_q[LeftBits-1];
  assign tile_ready = advance & tile_last;
  assign read_step_o = step_q;
  assign drain_valid_o = tile_valid & tile_ready;
  assign drain_slot_o  = read_slot_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {part_q, step_q, group_q} <= '0;
      left_q <= LeftBits'(Pieces - 2);
    end else if (tile_valid & advance) begin
      left_q <= tile_last ? LeftBits'(Pieces - 2) : left_q - 1'b1;
      part_q <= part_last ? '0 : part_q + 1'b1;
      if (part_last) step_q <= step_last ? '0 : step_q + 1'b1;
      if (part_last & step_last) group_q <= group_last ? '0 : group_q + 1'b1;
    end
  end

  logic [Latency-1:0] valid_q;
  logic [OutWidth*16-1:0] y_data;
  logic [OutWidth-1:0] y_overflow;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else if (advance) valid_q <= {valid_q[Latency-2:0], tile_valid};
  end

  // Cycle 1: the float units' outputs, and the biases. The parts of an entry stand at a power of two, also where there
  // are three of them.
  localparam int BiasDepth = 2 ** (BiasWidth + $clog2(Parts));
  logic [OutWidth*32-1:0] bias, bias_q;
  logic [PartBits-1:0] part_1_q;
  logic [GroupBits-1:0] group_1_q, group_2_q;

  fpq_lutram #(
    .Target(Target),
    .Width (OutWidth * 32),
    .Depth (BiasDepth)
  ) u_biases (
    .clk_i,
    .write_i         (bias_valid_i),
    .write_address_i (Parts > 1 ? ($clog2(BiasDepth))'({bias_entry_i, bias_part_i}) :
                                  ($clog2(BiasDepth))'(bias_entry_i)),
    .write_data_i    (bias_i),
    .read_a_address_i(Parts > 1 ? ($clog2(BiasDepth))'({tile_bias, part_q}) : ($clog2(BiasDepth))'(tile_bias)),
    .read_a_data_o   (bias),
    .read_b_address_i('0),
    .read_b_data_o   ()
  );

  // Cycle 2: the columns' part. Cycle 3: the row group.
  logic [Groups-1:0][OutWidth*FloatBits-1:0] columns_q;
  logic [OutWidth*FloatBits-1:0] sums_q;

  always_ff @(posedge clk_i) begin
    if (advance) begin
      bias_q    <= bias;
      part_1_q  <= part_q;
      group_1_q <= group_q;
      group_2_q <= group_1_q;
      for (int i = 0; i < Groups; i++) begin
        columns_q[i] <= read_data_i[(i*Parts+int'(part_1_q))*OutWidth*FloatBits+:OutWidth*FloatBits];
      end
      sums_q <= columns_q[group_2_q];
    end
  end

  for (genvar i = 0; i < OutWidth; i++) begin : gen_outputs
    float_t addend, sum;

    fpq_bias u_bias (
      .clk_i,
      .enable_i(advance),
      .bias_i  (bias_q[32*i+:32]),
      .addend_o(addend)
    );

    fpq_add #(
      .Target(Target)
    ) u_add (
      .clk_i,
      .enable_i(advance),
      .a_i     (sums_q[i*FloatBits+:FloatBits]),
      .b_i     (addend),
      .sum_o   (sum)
    );

    fpq_to_fp16 u_fp16 (
      .clk_i,
      .enable_i  (advance),
      .x_i       (sum),
      .y_o       (y_data[16*i+:16]),
      .overflow_o(y_overflow[i])
    );
  end

  fpq_slice #(
    .Width(OutWidth * 17)
  ) u_out (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q[Latency-1]),
    .ready_o(advance),
    .data_i ({y_overflow, y_data}),
    .valid_o(y_valid_o),
    .ready_i(y_ready_i),
    .data_o ({y_overflow_o, y_data_o})
  );

  `FPQ_ASSERT_STABLE(YStable, y_valid_o, y_ready_i, {y_data_o, y_overflow_o})

endmodule
