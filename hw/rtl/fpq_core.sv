// SPDX-License-Identifier: Apache-2.0
// The engine without its control registers: what docs/rtl.md draws.

`include "fpq_assert.svh"

module fpq_core
  import fpq_core_pkg::*;
  import fpq_pkg::*;
#(
  parameter family_e Family = FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  parameter int ActDepth = 1024,
  parameter int BusBits = 128,
  parameter int Banks = 1,
  parameter int Spacing = 4,
  parameter int Slots = 16,
  parameter int OutWidth = 4,
  parameter int Ultra = 0,
  parameter int Fp6Dsp = fpq_bank_pkg::DefaultFp6Dsp ? Banks : 0  // banks, the first ones; see fpq_accel
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,         // held long enough for everything to run empty
  // The run: see fpq_run
  input  logic                           start_i,
  input  logic [63:0]                    list_addr_i,
  input  logic [31:0]                    count_i,
  input  logic                           stop_i,
  output logic                           idle_o,
  input  logic                           room_i,
  output logic                           dispatch_o,
  output logic                           retire_o,
  input  logic [TagWidth-1:0]            retired_tag_i,
  output logic                           refuse_o,
  output error_e                         refuse_code_o,
  output logic [TagWidth-1:0]            refuse_tag_o,
  output logic                           fetch_error_o,
  output logic [TagWidth-1:0]            fetch_error_tag_o,
  output logic                           x_error_o,
  output logic [TagWidth-1:0]            x_error_tag_o,
  output logic [Banks-1:0]               w_error_o,
  output logic [Banks-1:0][TagWidth-1:0] w_error_tag_o,
  output logic                           y_error_o,
  output logic                           overflow_o,
  output logic [TagWidth-1:0]            overflow_tag_o,
  output logic                           nonfinite_o,
  output logic [TagWidth-1:0]            nonfinite_tag_o,
  output logic                           compute_o,
  output logic                           load_stall_o,
  output logic                           store_stall_o,
  // AXI4: X and the command list
  output logic                           x_arvalid_o,
  input  logic                           x_arready_i,
  output logic [63:0]                    x_araddr_o,
  output logic [7:0]                     x_arlen_o,
  input  logic                           x_rvalid_i,
  output logic                           x_rready_o,
  input  logic [BusBits-1:0]             x_rdata_i,
  input  logic [1:0]                     x_rresp_i,
  input  logic                           x_rlast_i,
  // AXI4: weights of each bank
  output logic [Banks-1:0]               w_arvalid_o,
  input  logic [Banks-1:0]               w_arready_i,
  output logic [Banks-1:0][63:0]         w_araddr_o,
  output logic [Banks-1:0][7:0]          w_arlen_o,
  input  logic [Banks-1:0]               w_rvalid_i,
  output logic [Banks-1:0]               w_rready_o,
  input  logic [Banks-1:0][BusBits-1:0]  w_rdata_i,
  input  logic [Banks-1:0][1:0]          w_rresp_i,
  input  logic [Banks-1:0]               w_rlast_i,
  // AXI4: Y
  output logic                           y_awvalid_o,
  input  logic                           y_awready_i,
  output logic [63:0]                    y_awaddr_o,
  output logic [7:0]                     y_awlen_o,
  output logic                           y_wvalid_o,
  input  logic                           y_wready_i,
  output logic [BusBits-1:0]             y_wdata_o,
  output logic [BusBits/8-1:0]           y_wstrb_o,
  output logic                           y_wlast_o,
  input  logic                           y_bvalid_i,
  output logic                           y_bready_o,
  input  logic [1:0]                     y_bresp_i
);

  localparam int CodeBits = format_bits(family_weights(Family));
  localparam int SlotLog2 = $clog2(Slots);
  localparam int ActLog2 = $clog2(ActDepth);
  localparam int ReadLatency = 3;
  localparam int ChunkDepth = ring_depth(Family);
  localparam int BiasPartWidth = Columns > OutWidth ? $clog2(Columns / OutWidth) : 1;

  logic x_idle, y_idle;
  logic [Banks-1:0] w_idle;
  assign idle_o = x_idle & y_idle & (&w_idle);

  // Commands
  logic fetch_valid, fetch_ready, fetch_beat_valid, fetch_beat_error;
  logic [63:0] fetch_addr;
  logic [TagWidth-1:0] fetch_tag;
  logic [BusBits-1:0] x_data;
  logic x_job_valid, x_job_ready, issue_job_valid, issue_job_ready, store_job_valid, store_job_ready;
  logic [Banks-1:0] w_job_valid, w_job_ready;
  x_job_t x_job;
  w_job_t [Banks-1:0] w_job;
  issue_job_t issue_job;
  store_job_t store_job;

  fpq_commands #(
    .Family(Family), .Rows(Rows), .Columns(Columns), .Lanes(Lanes), .ActDepth(ActDepth), .BusBits(BusBits),
    .Banks(Banks)
  ) u_commands (
    .clk_i, .rst_ni, .start_i, .list_addr_i, .count_i, .room_i, .dispatch_o,
    .fetch_valid_o(fetch_valid), .fetch_ready_i(fetch_ready), .fetch_addr_o(fetch_addr), .fetch_tag_o(fetch_tag),
    .beat_valid_i(fetch_beat_valid), .beat_data_i(x_data), .beat_error_i(fetch_beat_error),
    .x_valid_o(x_job_valid), .x_ready_i(x_job_ready), .x_job_o(x_job),
    .w_valid_o(w_job_valid), .w_ready_i(w_job_ready), .w_job_o(w_job),
    .issue_valid_o(issue_job_valid), .issue_ready_i(issue_job_ready), .issue_job_o(issue_job),
    .store_valid_o(store_job_valid), .store_ready_i(store_job_ready), .store_job_o(store_job),
    .refuse_o, .refuse_code_o, .refuse_tag_o, .error_o(fetch_error_o), .error_tag_o(fetch_error_tag_o)
  );

  // X: loader, memory, prologue, buffer
  logic form_valid, form_ready, form_cfg_ready, form_rows_ready, row_valid, row_ready, x_valid, x_ready;
  logic free_tile, tile;
  logic [ChunkWidth-1:0] free_tile_chunks;
  logic [63:0] row_addr;
  logic [RowBytesWidth-1:0] row_span;
  logic [TagWidth-1:0] row_tag;
  x_job_t form;

  fpq_x_loader #(.Rows(Rows), .ActDepth(ActDepth)) u_x_loader (
    .clk_i, .rst_ni, .job_valid_i(x_job_valid), .job_ready_o(x_job_ready), .job_i(x_job), .retired_tag_i,
    .free_valid_i(free_tile), .free_chunks_i(free_tile_chunks),
    .form_valid_o(form_valid), .form_ready_i(form_ready), .form_o(form),
    .row_valid_o(row_valid), .row_ready_i(row_ready), .row_addr_o(row_addr), .row_span_o(row_span),
    .row_tag_o(row_tag)
  );
  assign form_ready = form_cfg_ready & form_rows_ready;

  fpq_x_read #(.BusBits(BusBits), .BytesWidth(RowBytesWidth), .TagWidth(TagWidth)) u_x_read (
    .clk_i, .rst_ni, .stop_i, .idle_o(x_idle),
    .fetch_valid_i(fetch_valid), .fetch_ready_o(fetch_ready), .fetch_addr_i(fetch_addr),
    .fetch_span_i(RowBytesWidth'(DescriptorBytes - 1)), .fetch_tag_i(fetch_tag),
    .fetch_data_valid_o(fetch_beat_valid), .fetch_error_o(fetch_beat_error),
    .row_valid_i(row_valid), .row_ready_o(row_ready), .row_addr_i(row_addr), .row_span_i(row_span),
    .row_tag_i(row_tag), .row_data_valid_o(x_valid), .row_data_ready_i(x_ready), .data_o(x_data),
    .error_o(x_error_o), .error_tag_o(x_error_tag_o),
    .arvalid_o(x_arvalid_o), .arready_i(x_arready_i), .araddr_o(x_araddr_o), .arlen_o(x_arlen_o),
    .rvalid_i(x_rvalid_i), .rready_o(x_rready_o), .rdata_i(x_rdata_i), .rresp_i(x_rresp_i), .rlast_i(x_rlast_i)
  );

  logic a_valid, a_scale_valid, a_row_last, a_nonfinite;
  logic [Lanes*CodeBits-1:0] a_codes;
  logic [15:0] a_scale, a_scale_negative;

  fpq_prologue #(.Family(Family), .Lanes(Lanes), .Words(BusBits / 16)) u_prologue (
    .clk_i, .rst_ni,
    .cfg_valid_i(form_valid & form_ready), .cfg_ready_o(form_cfg_ready), .cfg_rows_i(form.m), .cfg_k_i(form.k),
    .cfg_group_i(form.group), .cfg_ght_i(form.ght), .cfg_dual_i(form.dual),
    .x_valid_i(x_valid), .x_ready_o(x_ready), .x_data_i(x_data),
    .chunk_valid_o(a_valid), .chunk_codes_o(a_codes), .chunk_scale_valid_o(a_scale_valid), .chunk_scale_o(a_scale),
    .chunk_scale_negative_o(a_scale_negative), .chunk_row_last_o(a_row_last), .chunk_nonfinite_o(a_nonfinite)
  );

  logic [ActAddrWidth-1:0] act_addr;
  logic act_negative;
  logic [Rows*Lanes*CodeBits-1:0] read_codes;
  logic [Rows*16-1:0] read_scales;

  fpq_act_buffer #(
    .Rows(Rows), .CodesWidth(Lanes * CodeBits), .ActDepth(ActDepth), .Dual(int'(family_has_dual(Family))),
    .Latency(ReadLatency), .Ultra(Ultra)
  ) u_act (
    .clk_i, .rst_ni,
    .form_valid_i(form_valid & form_ready), .form_ready_o(form_rows_ready), .form_rows_i(form.m),
    .form_tag_i(form.tag),
    .chunk_valid_i(a_valid), .chunk_codes_i(a_codes), .chunk_scale_i(a_scale),
    .chunk_scale_negative_i(a_scale_negative), .chunk_row_last_i(a_row_last), .chunk_nonfinite_i(a_nonfinite),
    .tile_o(tile), .nonfinite_o, .nonfinite_tag_o,
    .read_addr_i(act_addr[ActLog2-1:0]), .read_negative_i(act_negative), .codes_o(read_codes), .scales_o(read_scales)
  );

  // The schedule
  logic [Banks-1:0] w_chunk, drain_valid, sum_valid;
  logic [Banks-1:0][SlotLog2-1:0] drain_slot, sum_slot;
  logic [RingAddrWidth-1:0] chunk_addr, scale_addr;
  logic [Banks-1:0] chunk_valid;
  logic chunk_first, chunk_last, chunk_dual, chunk_negative, chunk_tile_first, chunk_tile_last;
  logic [SlotLog2-1:0] chunk_slot;
  logic [BiasWidth-1:0] chunk_bias;
  logic free_chunk, free_set, set_stored;
  logic [ChunkWidth-1:0] free_groups;

  fpq_issue #(
    .Rows(Rows), .Columns(Columns), .Banks(Banks), .Slots(Slots), .Spacing(Spacing), .ChunkDepth(ChunkDepth),
    .TileCredit(ActLog2 + 1), .ReadLatency(ReadLatency)
  ) u_issue (
    .clk_i, .rst_ni, .job_valid_i(issue_job_valid), .job_ready_o(issue_job_ready), .job_i(issue_job),
    .tile_i(tile), .chunk_i(w_chunk),
    .sum_valid_i(sum_valid[0]), .sum_slot_i(sum_slot[0]), .drain_valid_i(drain_valid), .drain_slot_i(drain_slot),
    .act_addr_o(act_addr), .act_negative_o(act_negative), .chunk_addr_o(chunk_addr), .scale_addr_o(scale_addr),
    .chunk_valid_o(chunk_valid), .chunk_first_o(chunk_first), .chunk_last_o(chunk_last), .chunk_dual_o(chunk_dual),
    .chunk_negative_o(chunk_negative), .chunk_slot_o(chunk_slot), .chunk_tile_first_o(chunk_tile_first),
    .chunk_tile_last_o(chunk_tile_last), .chunk_bias_o(chunk_bias),
    .free_chunk_o(free_chunk), .free_set_o(free_set), .free_groups_o(free_groups),
    .free_tile_o(free_tile), .free_tile_chunks_o(free_tile_chunks),
    .compute_o, .load_stall_o, .store_stall_o
  );

  // Weights and banks
  logic [Banks-1:0] y_valid, y_ready;
  logic [Banks-1:0][OutWidth*16-1:0] y_data;
  logic [Banks-1:0][OutWidth-1:0] y_overflow;

  // All banks multiply the same activations, in one form or, where FP6 has both kinds of banks, in two.
  localparam int Slices = Family == fpq_pkg::FamilyFp6 ? Fp6Dsp : 0;

  for (genvar d = 0; d < 2; d++) begin : gen_form
    if (d == 1 ? Slices > 0 : Slices < Banks) begin : gen_used
      localparam int OperandBits = fpq_bank_pkg::operand_bits(fpq_bank_pkg::DefaultTarget, Family, d == 1);
      logic [Rows*Lanes*OperandBits-1:0] operands;

      fpq_operands #(.Family(Family), .Rows(Rows), .Lanes(Lanes), .Fp6Dsp(d == 1)) u_operands (
        .clk_i, .pass_i(fpq_bank_pkg::pass_of(chunk_dual, chunk_negative)), .codes_i(read_codes), .operands_o(operands)
      );
    end
  end

  for (genvar p = 0; p < Banks; p++) begin : gen_bank
    logic [Columns*Lanes*CodeBits-1:0] w_codes;
    logic [Columns*16-1:0] w_scales;
    logic bias_valid;
    logic [BiasWidth-1:0] bias_entry;
    logic [BiasPartWidth-1:0] bias_part;
    logic [OutWidth*32-1:0] bias;

    fpq_weights #(
      .Bank(p), .Banks(Banks), .Columns(Columns), .ChunkBits(Columns * Lanes * CodeBits), .BusBits(BusBits),
      .OutWidth(OutWidth), .ReadLatency(ReadLatency), .ChunkDepth(ChunkDepth)
    ) u_weights (
      .clk_i, .rst_ni, .stop_i, .idle_o(w_idle[p]),
      .job_valid_i(w_job_valid[p]), .job_ready_o(w_job_ready[p]), .job_i(w_job[p]),
      .free_chunk_i(free_chunk), .free_set_i(free_set), .free_groups_i(free_groups), .free_bias_i(set_stored),
      .chunk_o(w_chunk[p]), .chunk_addr_i(chunk_addr), .scale_addr_i(scale_addr), .codes_o(w_codes),
      .scales_o(w_scales), .bias_valid_o(bias_valid), .bias_entry_o(bias_entry), .bias_part_o(bias_part),
      .bias_o(bias), .error_o(w_error_o[p]), .error_tag_o(w_error_tag_o[p]),
      .arvalid_o(w_arvalid_o[p]), .arready_i(w_arready_i[p]), .araddr_o(w_araddr_o[p]), .arlen_o(w_arlen_o[p]),
      .rvalid_i(w_rvalid_i[p]), .rready_o(w_rready_o[p]), .rdata_i(w_rdata_i[p]), .rresp_i(w_rresp_i[p]),
      .rlast_i(w_rlast_i[p])
    );

    fpq_bank #(
      .Family(Family), .Rows(Rows), .Columns(Columns), .Lanes(Lanes), .Spacing(Spacing), .Slots(Slots),
      .OutWidth(OutWidth), .Shared(1'b1), .Fp6Dsp(p < Slices)
    ) u_bank (
      .clk_i, .rst_ni,
      .chunk_valid_i(chunk_valid[p]), .chunk_first_i(chunk_first), .chunk_last_i(chunk_last),
      .chunk_dual_i(chunk_dual), .chunk_negative_i(chunk_negative), .chunk_slot_i(chunk_slot),
      .chunk_tile_first_i(chunk_tile_first), .chunk_tile_last_i(chunk_tile_last), .chunk_bias_i(chunk_bias),
      .a_codes_i(gen_form[p<Slices?1 : 0].gen_used.operands), .w_codes_i(w_codes),
      .a_scales_i(read_scales), .w_scales_i(w_scales),
      .bias_valid_i(bias_valid), .bias_entry_i(bias_entry), .bias_part_i(bias_part), .bias_i(bias),
      .sum_valid_o(sum_valid[p]), .sum_slot_o(sum_slot[p]), .drain_valid_o(drain_valid[p]),
      .drain_slot_o(drain_slot[p]),
      .y_valid_o(y_valid[p]), .y_ready_i(y_ready[p]), .y_data_o(y_data[p]), .y_overflow_o(y_overflow[p])
    );
  end

  fpq_store #(
    .Rows(Rows), .Columns(Columns), .Banks(Banks), .OutWidth(OutWidth), .BusBits(BusBits)
  ) u_store (
    .clk_i, .rst_ni, .stop_i, .idle_o(y_idle),
    .job_valid_i(store_job_valid), .job_ready_o(store_job_ready), .job_i(store_job),
    .y_valid_i(y_valid), .y_ready_o(y_ready), .y_data_i(y_data), .y_overflow_i(y_overflow),
    .set_o(set_stored), .retire_o, .error_o(y_error_o), .overflow_o, .overflow_tag_o,
    .awvalid_o(y_awvalid_o), .awready_i(y_awready_i), .awaddr_o(y_awaddr_o), .awlen_o(y_awlen_o),
    .wvalid_o(y_wvalid_o), .wready_i(y_wready_i), .wdata_o(y_wdata_o), .wstrb_o(y_wstrb_o), .wlast_o(y_wlast_o),
    .bvalid_i(y_bvalid_i), .bready_o(y_bready_o), .bresp_i(y_bresp_i)
  );

  // Banks keep step: bank 0, which takes part in every set, speaks for all; none is slower, since arrays of DSP slices,
  // which take longer than those of LUTs for any number of lanes, come first. Scales come when their memory is read, so
  // the flag that goes with them is only checked.
  logic unused;
  assign unused = ^{sum_valid, sum_slot, a_scale_valid, form, act_addr};

endmodule
