// SPDX-License-Identifier: Apache-2.0
// The accelerator as an IP block: AXI4-Lite control in the Vitis HLS layout, AXI4 masters for X and the command list (x), for
// each bank's weights (w0 to w3; those beyond Banks are silent) and for Y (y). Port names follow AXI and Vitis rather than
// the suffixes used elsewhere, so that tools find the interfaces. Reset is synchronous.

`include "fpq_assert.svh"

module fpq_accel
  import fpq_core_pkg::*;
  import fpq_pkg::*;
#(
  parameter int Family = 1,              // number of a family_e
  parameter int Rows = 4,                // tokens at a time; a power of two
  parameter int Columns = 8,             // output channels at a time, of each bank
  parameter int Lanes = 32,              // elements of K at a time
  parameter int ActDepth = 8192,         // chunks of Rows x Lanes codes in the activation buffer; a power of two
  parameter int BusBits = 128,           // of every memory master
  parameter int Banks = 1,               // copies of the Rows x Columns x Lanes array, each with its own master
  parameter int Spacing = 0,             // fewest cycles between two groups' ends; 0: as groups of 128 need
  parameter int Slots = 0,               // accumulators of each output; 0: enough to hide the adder's latency
  parameter int OutWidth = 4,            // outputs that a bank drains a cycle
  parameter int Ultra = 0,               // 1: activation buffer in UltraRAM
  // Banks with FP6 products in DSP slices; the others have them in LUTs.
  parameter int Fp6Dsp = fpq_bank_pkg::DefaultFp6Dsp ? Banks : 0
) (
  input  logic                 ap_clk,
  input  logic                 ap_rst_n,
  output logic                 interrupt,
  // AXI4-Lite control
  input  logic                 s_axi_control_awvalid,
  output logic                 s_axi_control_awready,
  input  logic [11:0]          s_axi_control_awaddr,
  input  logic                 s_axi_control_wvalid,
  output logic                 s_axi_control_wready,
  input  logic [31:0]          s_axi_control_wdata,
  input  logic [3:0]           s_axi_control_wstrb,
  output logic                 s_axi_control_bvalid,
  input  logic                 s_axi_control_bready,
  output logic [1:0]           s_axi_control_bresp,
  input  logic                 s_axi_control_arvalid,
  output logic                 s_axi_control_arready,
  input  logic [11:0]          s_axi_control_araddr,
  output logic                 s_axi_control_rvalid,
  input  logic                 s_axi_control_rready,
  output logic [31:0]          s_axi_control_rdata,
  output logic [1:0]           s_axi_control_rresp,
  // AXI4: X and the command list
  output logic                 m_axi_x_arvalid,
  input  logic                 m_axi_x_arready,
  output logic [0:0]           m_axi_x_arid,
  output logic [63:0]          m_axi_x_araddr,
  output logic [7:0]           m_axi_x_arlen,
  output logic [2:0]           m_axi_x_arsize,
  output logic [1:0]           m_axi_x_arburst,
  output logic [3:0]           m_axi_x_arcache,
  output logic [2:0]           m_axi_x_arprot,
  input  logic                 m_axi_x_rvalid,
  output logic                 m_axi_x_rready,
  input  logic [0:0]           m_axi_x_rid,
  input  logic [BusBits-1:0]   m_axi_x_rdata,
  input  logic [1:0]           m_axi_x_rresp,
  input  logic                 m_axi_x_rlast,
  // AXI4: weights of bank 0
  output logic                 m_axi_w0_arvalid,
  input  logic                 m_axi_w0_arready,
  output logic [0:0]           m_axi_w0_arid,
  output logic [63:0]          m_axi_w0_araddr,
  output logic [7:0]           m_axi_w0_arlen,
  output logic [2:0]           m_axi_w0_arsize,
  output logic [1:0]           m_axi_w0_arburst,
  output logic [3:0]           m_axi_w0_arcache,
  output logic [2:0]           m_axi_w0_arprot,
  input  logic                 m_axi_w0_rvalid,
  output logic                 m_axi_w0_rready,
  input  logic [0:0]           m_axi_w0_rid,
  input  logic [BusBits-1:0]   m_axi_w0_rdata,
  input  logic [1:0]           m_axi_w0_rresp,
  input  logic                 m_axi_w0_rlast,
  // AXI4: weights of bank 1
  output logic                 m_axi_w1_arvalid,
  input  logic                 m_axi_w1_arready,
  output logic [0:0]           m_axi_w1_arid,
  output logic [63:0]          m_axi_w1_araddr,
  output logic [7:0]           m_axi_w1_arlen,
  output logic [2:0]           m_axi_w1_arsize,
  output logic [1:0]           m_axi_w1_arburst,
  output logic [3:0]           m_axi_w1_arcache,
  output logic [2:0]           m_axi_w1_arprot,
  input  logic                 m_axi_w1_rvalid,
  output logic                 m_axi_w1_rready,
  input  logic [0:0]           m_axi_w1_rid,
  input  logic [BusBits-1:0]   m_axi_w1_rdata,
  input  logic [1:0]           m_axi_w1_rresp,
  input  logic                 m_axi_w1_rlast,
  // AXI4: weights of bank 2
  output logic                 m_axi_w2_arvalid,
  input  logic                 m_axi_w2_arready,
  output logic [0:0]           m_axi_w2_arid,
  output logic [63:0]          m_axi_w2_araddr,
  output logic [7:0]           m_axi_w2_arlen,
  output logic [2:0]           m_axi_w2_arsize,
  output logic [1:0]           m_axi_w2_arburst,
  output logic [3:0]           m_axi_w2_arcache,
  output logic [2:0]           m_axi_w2_arprot,
  input  logic                 m_axi_w2_rvalid,
  output logic                 m_axi_w2_rready,
  input  logic [0:0]           m_axi_w2_rid,
  input  logic [BusBits-1:0]   m_axi_w2_rdata,
  input  logic [1:0]           m_axi_w2_rresp,
  input  logic                 m_axi_w2_rlast,
  // AXI4: weights of bank 3
  output logic                 m_axi_w3_arvalid,
  input  logic                 m_axi_w3_arready,
  output logic [0:0]           m_axi_w3_arid,
  output logic [63:0]          m_axi_w3_araddr,
  output logic [7:0]           m_axi_w3_arlen,
  output logic [2:0]           m_axi_w3_arsize,
  output logic [1:0]           m_axi_w3_arburst,
  output logic [3:0]           m_axi_w3_arcache,
  output logic [2:0]           m_axi_w3_arprot,
  input  logic                 m_axi_w3_rvalid,
  output logic                 m_axi_w3_rready,
  input  logic [0:0]           m_axi_w3_rid,
  input  logic [BusBits-1:0]   m_axi_w3_rdata,
  input  logic [1:0]           m_axi_w3_rresp,
  input  logic                 m_axi_w3_rlast,
  // AXI4: Y
  output logic                 m_axi_y_awvalid,
  input  logic                 m_axi_y_awready,
  output logic [0:0]           m_axi_y_awid,
  output logic [63:0]          m_axi_y_awaddr,
  output logic [7:0]           m_axi_y_awlen,
  output logic [2:0]           m_axi_y_awsize,
  output logic [1:0]           m_axi_y_awburst,
  output logic [3:0]           m_axi_y_awcache,
  output logic [2:0]           m_axi_y_awprot,
  output logic                 m_axi_y_wvalid,
  input  logic                 m_axi_y_wready,
  output logic [BusBits-1:0]   m_axi_y_wdata,
  output logic [BusBits/8-1:0] m_axi_y_wstrb,
  output logic                 m_axi_y_wlast,
  input  logic                 m_axi_y_bvalid,
  output logic                 m_axi_y_bready,
  input  logic [0:0]           m_axi_y_bid,
  input  logic [1:0]           m_axi_y_bresp
);

  localparam family_e Fam = family_e'(8'(Family));

  // A group of 128 ends every 128 / Lanes cycles. Families whose scales span a row have all the time of a short row.
  localparam int GroupChunks = Lanes < 128 ? 128 / Lanes : 1;
  localparam int SpacingUsed = Spacing != 0 ? Spacing : Fam == FamilyFp4 ? GroupChunks : 8;
  // Half of the slots times the chunks of a group must cover the adder and the buffers.
  localparam int SlotsUsed = Slots != 0 ? Slots : Fam == FamilyFp4 ? 64 / GroupChunks : 8;

  localparam logic [2:0] Size = 3'($clog2(BusBits / 8));
  localparam logic [1:0] Incr = 2'b01;
  localparam logic [3:0] Cache = 4'b0011;  // bufferable, modifiable

  `FPQ_REQUIRE(gen_family, Family >= int'(FamilyFp4) && Family <= int'(FamilyInt8),
               "fpq_accel: Family must be the number of a family of hw/spec/formats.toml")
  `FPQ_REQUIRE(gen_rows, Rows >= 1 && 2 ** $clog2(Rows) == Rows, "fpq_accel: Rows must be a power of two")
  `FPQ_REQUIRE(gen_columns, Columns >= 4 && Columns % 4 == 0 && Columns < 256,
               "fpq_accel: Columns must be a multiple of 4 below 256")
  `FPQ_REQUIRE(gen_lanes, Lanes == 32 || Lanes == 64 || Lanes == 128, "fpq_accel: Lanes must be 32, 64 or 128")
  `FPQ_REQUIRE(gen_bus, BusBits == 64 || BusBits == 128 || BusBits == 256 || BusBits == 512,
               "fpq_accel: BusBits must be 64, 128, 256 or 512")
  `FPQ_REQUIRE(gen_depth, 2 ** $clog2(ActDepth) == ActDepth && ActDepth >= MaxChunks && ActDepth <= 32768,
               "fpq_accel: ActDepth must be a power of two between 512 (a row of MaxK elements) and 32768")
  `FPQ_REQUIRE(gen_banks, Banks >= 1 && Banks <= MaxBanks, "fpq_accel: Banks must be 1 to 4")
  `FPQ_REQUIRE(gen_slots, 2 ** $clog2(SlotsUsed) == SlotsUsed && SlotsUsed >= 2 && SlotsUsed <= 64,
               "fpq_accel: Slots must be a power of two, 2 to 64")
  `FPQ_REQUIRE(gen_spacing, Spacing >= 0, "fpq_accel: Spacing must not be negative; 0 lets the engine choose")
  `FPQ_REQUIRE(gen_out_width, OutWidth >= 4 && 2 ** $clog2(OutWidth) == OutWidth && Columns % OutWidth == 0
               && OutWidth * 16 <= BusBits,
               "fpq_accel: OutWidth must be a power of two, 4 or more, divide Columns, and fit BusBits as FP16")
  `FPQ_REQUIRE(gen_fp6_dsp, Fp6Dsp >= 0 && Fp6Dsp <= Banks,
               "fpq_accel: Fp6Dsp must be from 0 to Banks: the banks with FP6 products in DSP slices, not in LUTs")
  `FPQ_REQUIRE(gen_ultra, Ultra == 0 || Ultra == 1, "fpq_accel: Ultra must be 0 or 1")

  logic start, busy, done, core_rst_n, core_start, stop, idle, room, dispatch, retire;
  logic [63:0] list_addr;
  logic [31:0] count;
  logic [TagWidth-1:0] retired_tag, refuse_tag, fetch_error_tag, x_error_tag, overflow_tag, nonfinite_tag;
  logic [Banks-1:0][TagWidth-1:0] w_error_tag;
  logic [Banks-1:0] w_error;
  logic refuse, fetch_error, x_error, y_error, overflow, nonfinite, compute, load_stall, store_stall;
  error_e refuse_code, status;
  logic [31:0] error_index, flags, overflow_index, nonfinite_index;
  logic [63:0] busy_cycles, compute_cycles, load_stall_cycles, store_stall_cycles, read_beats, write_beats;

  fpq_control #(
    .Family(Fam), .Rows(Rows), .Columns(Columns), .Lanes(Lanes), .ActDepth(ActDepth), .BusBits(BusBits)
  ) u_control (
    .clk_i(ap_clk), .rst_ni(ap_rst_n),
    .awvalid_i(s_axi_control_awvalid), .awready_o(s_axi_control_awready), .awaddr_i(s_axi_control_awaddr),
    .wvalid_i(s_axi_control_wvalid), .wready_o(s_axi_control_wready), .wdata_i(s_axi_control_wdata),
    .wstrb_i(s_axi_control_wstrb), .bvalid_o(s_axi_control_bvalid), .bready_i(s_axi_control_bready),
    .arvalid_i(s_axi_control_arvalid), .arready_o(s_axi_control_arready), .araddr_i(s_axi_control_araddr),
    .rvalid_o(s_axi_control_rvalid), .rready_i(s_axi_control_rready), .rdata_o(s_axi_control_rdata),
    .interrupt_o(interrupt),
    .start_o(start), .list_addr_o(list_addr), .count_o(count), .busy_i(busy), .done_i(done), .status_i(status),
    .error_index_i(error_index), .flags_i(flags), .overflow_index_i(overflow_index),
    .nonfinite_index_i(nonfinite_index), .busy_cycles_i(busy_cycles), .compute_cycles_i(compute_cycles),
    .load_stall_cycles_i(load_stall_cycles), .store_stall_cycles_i(store_stall_cycles),
    .read_bytes_i(read_beats << Size), .write_bytes_i(write_beats << Size)
  );
  assign s_axi_control_bresp = 2'b00;
  assign s_axi_control_rresp = 2'b00;

  fpq_run #(.Banks(Banks)) u_run (
    .clk_i(ap_clk), .rst_ni(ap_rst_n), .start_i(start), .list_addr_i(list_addr), .count_i(count), .busy_o(busy),
    .done_o(done), .core_rst_no(core_rst_n), .fetch_start_o(core_start), .stop_o(stop), .idle_i(idle),
    .dispatch_i(dispatch), .room_o(room), .retire_i(retire), .retired_tag_o(retired_tag),
    .refuse_i(refuse), .refuse_code_i(refuse_code), .refuse_tag_i(refuse_tag),
    .fetch_error_i(fetch_error), .fetch_tag_i(fetch_error_tag), .x_error_i(x_error), .x_error_tag_i(x_error_tag),
    .w_error_i(w_error), .w_error_tag_i(w_error_tag), .y_error_i(y_error),
    .overflow_i(overflow), .overflow_tag_i(overflow_tag), .nonfinite_i(nonfinite), .nonfinite_tag_i(nonfinite_tag),
    .status_o(status), .error_index_o(error_index), .flags_o(flags), .overflow_index_o(overflow_index),
    .nonfinite_index_o(nonfinite_index)
  );

  // The weight masters, of which the first Banks are used
  logic [MaxBanks-1:0] w_arvalid, w_arready, w_rvalid, w_rready, w_rlast;
  logic [MaxBanks-1:0][63:0] w_araddr;
  logic [MaxBanks-1:0][7:0] w_arlen;
  logic [MaxBanks-1:0][BusBits-1:0] w_rdata;
  logic [MaxBanks-1:0][1:0] w_rresp;

  assign w_arready = {m_axi_w3_arready, m_axi_w2_arready, m_axi_w1_arready, m_axi_w0_arready};
  assign w_rvalid = {m_axi_w3_rvalid, m_axi_w2_rvalid, m_axi_w1_rvalid, m_axi_w0_rvalid};
  assign w_rlast = {m_axi_w3_rlast, m_axi_w2_rlast, m_axi_w1_rlast, m_axi_w0_rlast};
  assign w_rdata = {m_axi_w3_rdata, m_axi_w2_rdata, m_axi_w1_rdata, m_axi_w0_rdata};
  assign w_rresp = {m_axi_w3_rresp, m_axi_w2_rresp, m_axi_w1_rresp, m_axi_w0_rresp};
  assign {m_axi_w3_arvalid, m_axi_w2_arvalid, m_axi_w1_arvalid, m_axi_w0_arvalid} = w_arvalid;
  assign {m_axi_w3_rready, m_axi_w2_rready, m_axi_w1_rready, m_axi_w0_rready} = w_rready;
  assign {m_axi_w3_araddr, m_axi_w2_araddr, m_axi_w1_araddr, m_axi_w0_araddr} = w_araddr;
  assign {m_axi_w3_arlen, m_axi_w2_arlen, m_axi_w1_arlen, m_axi_w0_arlen} = w_arlen;

  if (Banks < MaxBanks) begin : gen_silent
    assign w_arvalid[MaxBanks-1:Banks] = '0;
    assign w_rready[MaxBanks-1:Banks]  = '0;
    assign w_araddr[MaxBanks-1:Banks]  = '0;
    assign w_arlen[MaxBanks-1:Banks]   = '0;
    logic unused_banks;
    assign unused_banks = ^{w_arready, w_rvalid, w_rlast, w_rdata, w_rresp};
  end

  fpq_core #(
    .Family(Fam), .Rows(Rows), .Columns(Columns), .Lanes(Lanes), .ActDepth(ActDepth), .BusBits(BusBits),
    .Banks(Banks), .Spacing(SpacingUsed), .Slots(SlotsUsed), .OutWidth(OutWidth), .Ultra(Ultra),
    .Fp6Dsp(Fp6Dsp)
  ) u_core (
    .clk_i(ap_clk), .rst_ni(core_rst_n), .start_i(core_start), .list_addr_i(list_addr), .count_i(count),
    .stop_i(stop), .idle_o(idle), .room_i(room), .dispatch_o(dispatch), .retire_o(retire),
    .retired_tag_i(retired_tag), .refuse_o(refuse), .refuse_code_o(refuse_code), .refuse_tag_o(refuse_tag),
    .fetch_error_o(fetch_error), .fetch_error_tag_o(fetch_error_tag), .x_error_o(x_error),
    .x_error_tag_o(x_error_tag), .w_error_o(w_error), .w_error_tag_o(w_error_tag), .y_error_o(y_error),
    .overflow_o(overflow), .overflow_tag_o(overflow_tag), .nonfinite_o(nonfinite), .nonfinite_tag_o(nonfinite_tag),
    .compute_o(compute), .load_stall_o(load_stall), .store_stall_o(store_stall),
    .x_arvalid_o(m_axi_x_arvalid), .x_arready_i(m_axi_x_arready), .x_araddr_o(m_axi_x_araddr),
    .x_arlen_o(m_axi_x_arlen), .x_rvalid_i(m_axi_x_rvalid), .x_rready_o(m_axi_x_rready),
    .x_rdata_i(m_axi_x_rdata), .x_rresp_i(m_axi_x_rresp), .x_rlast_i(m_axi_x_rlast),
    .w_arvalid_o(w_arvalid[Banks-1:0]), .w_arready_i(w_arready[Banks-1:0]), .w_araddr_o(w_araddr[Banks-1:0]),
    .w_arlen_o(w_arlen[Banks-1:0]), .w_rvalid_i(w_rvalid[Banks-1:0]), .w_rready_o(w_rready[Banks-1:0]),
    .w_rdata_i(w_rdata[Banks-1:0]), .w_rresp_i(w_rresp[Banks-1:0]), .w_rlast_i(w_rlast[Banks-1:0]),
    .y_awvalid_o(m_axi_y_awvalid), .y_awready_i(m_axi_y_awready), .y_awaddr_o(m_axi_y_awaddr),
    .y_awlen_o(m_axi_y_awlen), .y_wvalid_o(m_axi_y_wvalid), .y_wready_i(m_axi_y_wready),
    .y_wdata_o(m_axi_y_wdata), .y_wstrb_o(m_axi_y_wstrb), .y_wlast_o(m_axi_y_wlast),
    .y_bvalid_i(m_axi_y_bvalid), .y_bready_o(m_axi_y_bready), .y_bresp_i(m_axi_y_bresp)
  );

  // Signals that are the same in every burst
  assign m_axi_x_arid    = '0;
  assign m_axi_x_arsize  = Size;
  assign m_axi_x_arburst = Incr;
  assign m_axi_x_arcache = Cache;
  assign m_axi_x_arprot  = '0;
  assign {m_axi_w3_arid, m_axi_w2_arid, m_axi_w1_arid, m_axi_w0_arid} = '0;
  assign {m_axi_w3_arsize, m_axi_w2_arsize, m_axi_w1_arsize, m_axi_w0_arsize} = {MaxBanks{Size}};
  assign {m_axi_w3_arburst, m_axi_w2_arburst, m_axi_w1_arburst, m_axi_w0_arburst} = {MaxBanks{Incr}};
  assign {m_axi_w3_arcache, m_axi_w2_arcache, m_axi_w1_arcache, m_axi_w0_arcache} = {MaxBanks{Cache}};
  assign {m_axi_w3_arprot, m_axi_w2_arprot, m_axi_w1_arprot, m_axi_w0_arprot} = '0;
  assign m_axi_y_awid    = '0;
  assign m_axi_y_awsize  = Size;
  assign m_axi_y_awburst = Incr;
  assign m_axi_y_awcache = Cache;
  assign m_axi_y_awprot  = '0;

  fpq_counters #(.Readers(Banks + 1)) u_counters (
    .clk_i(ap_clk), .rst_ni(ap_rst_n), .clear_i(start), .busy_i(busy), .compute_i(compute),
    .load_stall_i(load_stall), .store_stall_i(store_stall),
    .read_beat_i({w_rvalid[Banks-1:0] & w_rready[Banks-1:0], m_axi_x_rvalid & m_axi_x_rready}),
    .write_beat_i(m_axi_y_wvalid & m_axi_y_wready),
    .busy_o(busy_cycles), .compute_o(compute_cycles), .load_stall_o(load_stall_cycles),
    .store_stall_o(store_stall_cycles), .read_beats_o(read_beats), .write_beats_o(write_beats)
  );

  // One identifier is used: responses come in order.
  logic unused_ids;
  assign unused_ids = ^{m_axi_x_rid, m_axi_w0_rid, m_axi_w1_rid, m_axi_w2_rid, m_axi_w3_rid, m_axi_y_bid};

endmodule
