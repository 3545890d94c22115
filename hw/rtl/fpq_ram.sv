// SPDX-License-Identifier: Apache-2.0
// Memory whose entries are written a part at a time and read whole. One write and one read port, no bypass: an entry may
// be read from the second cycle after its write.

`include "fpq_assert.svh"

module fpq_ram #(
  parameter int PartWidth = 32,
  parameter int Parts = 1,      // parts of an entry
  parameter int Depth = 512,    // entries
  parameter int Latency = 2,    // cycles from address to data, at least 2
  parameter int Ultra = 0,      // 1: UltraRAM where the device has it
  localparam int AddrWidth = $clog2(Depth),
  localparam int SelWidth = Parts > 1 ? $clog2(Parts) : 1
) (
  input  logic                       clk_i,
  input  logic                       write_i,
  input  logic [AddrWidth-1:0]       write_addr_i,
  input  logic [SelWidth-1:0]        write_part_i,
  input  logic [PartWidth-1:0]       write_data_i,
  input  logic [AddrWidth-1:0]       read_addr_i,
  output logic [Parts*PartWidth-1:0] read_data_o
);

  `FPQ_REQUIRE(gen_bad_latency, Latency >= 2,
               "fpq_ram: Latency must be at least 2: the memory's own cycle and its output register")

  // The write port is registered, because it fans out to every part.
  logic [Parts-1:0] write_q;
  logic [AddrWidth-1:0] write_addr_q;
  logic [PartWidth-1:0] write_data_q;

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < Parts; i++) begin
      write_q[i] <= write_i & (write_part_i == SelWidth'(i));
    end
    write_addr_q <= write_addr_i;
    write_data_q <= write_data_i;
  end

  for (genvar p = 0; p < Parts; p++) begin : gen_part
    logic [PartWidth-1:0] read_q;
    logic [(Latency-1)*PartWidth-1:0] delay_q;  // the last stage on top

    if (Ultra != 0) begin : gen_ultra
      (* ram_style = "ultra" *) logic [PartWidth-1:0] mem [Depth];
      always_ff @(posedge clk_i) begin
        if (write_q[p]) mem[write_addr_q] <= write_data_q;
        read_q <= mem[read_addr_i];
      end
    end else begin : gen_auto
      logic [PartWidth-1:0] mem [Depth];
      always_ff @(posedge clk_i) begin
        if (write_q[p]) mem[write_addr_q] <= write_data_q;
        read_q <= mem[read_addr_i];
      end
    end

    if (Latency == 2) begin : gen_one
      always_ff @(posedge clk_i) delay_q <= read_q;
    end else begin : gen_more
      always_ff @(posedge clk_i) delay_q <= {delay_q[(Latency-2)*PartWidth-1:0], read_q};
    end
    assign read_data_o[p*PartWidth +: PartWidth] = delay_q[(Latency-2)*PartWidth +: PartWidth];
  end

endmodule
