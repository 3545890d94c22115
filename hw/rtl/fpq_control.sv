// SPDX-License-Identifier: Apache-2.0
// AXI4-Lite control registers in the Vitis HLS ap_ctrl_hs layout (hw/spec/registers.toml). ap_done and ap_ready come
// together and are cleared by reading; auto_restart is not offered and reads as 0.

`include "fpq_assert.svh"

module fpq_control
  import fpq_pkg::*;
#(
  parameter family_e Family = FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  parameter int ActDepth = 1024,
  parameter int BusBits = 128
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  // AXI4-Lite
  input  logic        awvalid_i,
  output logic        awready_o,
  input  logic [11:0] awaddr_i,
  input  logic        wvalid_i,
  output logic        wready_o,
  input  logic [31:0] wdata_i,
  input  logic [3:0]  wstrb_i,
  output logic        bvalid_o,
  input  logic        bready_i,
  input  logic        arvalid_i,
  output logic        arready_o,
  input  logic [11:0] araddr_i,
  output logic        rvalid_o,
  input  logic        rready_i,
  output logic [31:0] rdata_o,
  output logic        interrupt_o,
  // The run
  output logic        start_o,
  output logic [63:0] list_addr_o,
  output logic [31:0] count_o,
  input  logic        busy_i,
  input  logic        done_i,
  input  error_e      status_i,
  input  logic [31:0] error_index_i,
  input  logic [31:0] flags_i,
  input  logic [31:0] overflow_index_i,
  input  logic [31:0] nonfinite_index_i,
  input  logic [63:0] busy_cycles_i,
  input  logic [63:0] compute_cycles_i,
  input  logic [63:0] load_stall_cycles_i,
  input  logic [63:0] store_stall_cycles_i,
  input  logic [63:0] read_bytes_i,
  input  logic [63:0] write_bytes_i
);

  localparam logic [31:0] Identity = 32'(ContractVersion) << RegIdentityContractLsb
      | 32'(Family) << RegIdentityFamilyLsb | 32'(CoreRtl) << RegIdentityCoreLsb;
  localparam logic [31:0] Geometry = 32'(Rows) << RegGeometryRowsLsb | 32'(Columns) << RegGeometryColumnsLsb
      | 32'(Lanes) << RegGeometryLanesLsb | 32'($clog2(BusBits)) << RegGeometryBusLog2Lsb;

  logic start_q, done_q, enable_q;
  logic [1:0] interrupt_enable_q, interrupt_q;
  logic write, write_q, read, read_q, read_ctrl;
  logic [31:0] write_data_q, mask, ctrl, data;
  logic [3:0] strobe_q;

  // The words that can be read, each with its place; a bit each tells which one it is. The first seven can be written.
  typedef struct packed {
    logic [9:0] at;  // address in words
    logic [31:0] value;
  } word_t;

  localparam int Words = 27;
  localparam int Writes = 7;
  word_t [Words-1:0] words;  // the first on top
  logic [Words-1:0] read_at_q;
  logic [Writes-1:0] write_at_q;

  // Bytes that are not written keep their value.
  function automatic logic [31:0] merge(logic [31:0] old, logic [31:0] new_data, logic [31:0] bits);
    return (old & ~bits) | (new_data & bits);
  endfunction

  assign write = awvalid_i & wvalid_i & ~bvalid_o;
  assign awready_o = write;
  assign wready_o  = write;
  assign mask = {{8{strobe_q[3]}}, {8{strobe_q[2]}}, {8{strobe_q[1]}}, {8{strobe_q[0]}}};

  assign arready_o = ~rvalid_o & ~read_q;
  assign read = arvalid_i & arready_o;
  assign read_ctrl = read_q & read_at_q[Words-1];

  // What is asked is kept, and done in the next cycle: before a read that comes after a write's answer.
  always_ff @(posedge clk_i) begin
    write_q      <= rst_ni & write;
    write_data_q <= wdata_i;
    strobe_q     <= wstrb_i;
    read_q       <= rst_ni & read;
    for (int i = 0; i < Writes; i++) write_at_q[i] <= awaddr_i[11:2] == words[Words-1-i].at;
    for (int i = 0; i < Words; i++) if (read) read_at_q[i] <= araddr_i[11:2] == words[i].at;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      bvalid_o <= 1'b0;
      rvalid_o <= 1'b0;
      start_q  <= 1'b0;
      done_q   <= 1'b0;
      enable_q <= 1'b0;
      interrupt_enable_q <= '0;
      interrupt_q <= '0;
      list_addr_o <= '0;
      count_o     <= '0;
    end else begin
      if (bready_i) bvalid_o <= 1'b0;
      if (rready_i) rvalid_o <= 1'b0;
      if (read_q) rvalid_o <= 1'b1;
      if (read_q) rdata_o <= data;
      if (read_ctrl) done_q <= 1'b0;
      if (write) bvalid_o <= 1'b1;
      if (write_q) begin
        if (write_at_q[0] && strobe_q[0] && write_data_q[RegCtrlApStartLsb]) start_q <= 1'b1;
        if (write_at_q[1] && strobe_q[0]) enable_q <= write_data_q[RegGierEnableLsb];
        if (write_at_q[2] && strobe_q[0]) interrupt_enable_q <= write_data_q[1:0];
        if (write_at_q[3] && strobe_q[0]) interrupt_q <= interrupt_q ^ write_data_q[1:0];
        if (write_at_q[4]) list_addr_o[31:0] <= merge(list_addr_o[31:0], write_data_q, mask);
        if (write_at_q[5]) list_addr_o[63:32] <= merge(list_addr_o[63:32], write_data_q, mask);
        if (write_at_q[6]) count_o <= merge(count_o, write_data_q, mask);
      end
      // An end that falls on a read or write is not lost.
      if (done_i) begin
        start_q <= 1'b0;
        done_q  <= 1'b1;
        interrupt_q <= interrupt_q | interrupt_enable_q;
      end
    end
  end

  assign start_o = start_q & ~busy_i;
  assign interrupt_o = enable_q & (|interrupt_q);

  always_comb begin
    ctrl = '0;
    ctrl[RegCtrlApStartLsb]   = start_q;
    ctrl[RegCtrlApDoneLsb]    = done_q;
    ctrl[RegCtrlApIdleLsb]    = ~start_q & ~busy_i;
    ctrl[RegCtrlApReadyLsb]   = done_q;
    ctrl[RegCtrlInterruptLsb] = interrupt_o;

    words = {
      RegCtrl[11:2], ctrl,
      RegGier[11:2], 32'(enable_q) << RegGierEnableLsb,
      RegIpIer[11:2], 32'(interrupt_enable_q),
      RegIpIsr[11:2], 32'(interrupt_q),
      RegListAddress[11:2], list_addr_o[31:0],
      RegListAddress[11:2] + 10'd1, list_addr_o[63:32],
      RegCount[11:2], count_o,
      RegIdentity[11:2], Identity,
      RegGeometry[11:2], Geometry,
      RegActDepth[11:2], 32'(ActDepth),
      RegStatus[11:2], 32'(status_i),
      RegErrorIndex[11:2], error_index_i,
      RegFlags[11:2], flags_i,
      RegOverflowIndex[11:2], overflow_index_i,
      RegNonfiniteIndex[11:2], nonfinite_index_i,
      RegBusyCycles[11:2], busy_cycles_i[31:0],
      RegBusyCycles[11:2] + 10'd1, busy_cycles_i[63:32],
      RegComputeCycles[11:2], compute_cycles_i[31:0],
      RegComputeCycles[11:2] + 10'd1, compute_cycles_i[63:32],
      RegLoadStallCycles[11:2], load_stall_cycles_i[31:0],
      RegLoadStallCycles[11:2] + 10'd1, load_stall_cycles_i[63:32],
      RegStoreStallCycles[11:2], store_stall_cycles_i[31:0],
      RegStoreStallCycles[11:2] + 10'd1, store_stall_cycles_i[63:32],
      RegReadBytes[11:2], read_bytes_i[31:0],
      RegReadBytes[11:2] + 10'd1, read_bytes_i[63:32],
      RegWriteBytes[11:2], write_bytes_i[31:0],
      RegWriteBytes[11:2] + 10'd1, write_bytes_i[63:32]
    };
    data = '0;
    for (int i = 0; i < Words; i++) data |= words[i].value & {32{read_at_q[i]}};
  end

  logic unused;
  assign unused = ^{awaddr_i[1:0], araddr_i[1:0]};

  `FPQ_ASSERT_STABLE(BStable, bvalid_o, bready_i, 1'b1)
  `FPQ_ASSERT_STABLE(RStable, rvalid_o, rready_i, rdata_o)
  `FPQ_ASSERT_STABLE(AwStable, awvalid_i, awready_o, awaddr_i)
  `FPQ_ASSERT_STABLE(WStable, wvalid_i, wready_o, {wdata_i, wstrb_i})
  `FPQ_ASSERT_STABLE(ArStable, arvalid_i, arready_o, araddr_i)

endmodule
