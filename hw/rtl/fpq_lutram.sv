// SPDX-License-Identifier: Apache-2.0
// Memory in LUTs: one write port, two asynchronous read ports.

module fpq_lutram #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Width = 32,
  parameter int Depth = 32,
  localparam int AddressBits = Depth > 1 ? $clog2(Depth) : 1
) (
  input  logic                   clk_i,
  input  logic                   write_i,
  input  logic [AddressBits-1:0] write_address_i,
  input  logic [Width-1:0]       write_data_i,
  input  logic [AddressBits-1:0] read_a_address_i,
  output logic [Width-1:0]       read_a_data_o,
  input  logic [AddressBits-1:0] read_b_address_i,
  output logic [Width-1:0]       read_b_data_o
);

  if (Target != fpq_bank_pkg::TargetGeneric && Depth <= 32) begin : gen_mapped
    fpq_table #(
      .Target (Target),
      .Width  (Width),
      .Readers(2)
    ) u_table (
      .clk_i,
      .write_i,
      .write_address_i (5'(write_address_i)),
      .write_data_i,
      .read_addresses_i({5'(read_b_address_i), 5'(read_a_address_i)}),
      .read_data_o     ({read_b_data_o, read_a_data_o})
    );
  end else begin : gen_generic
    (* ram_style = "distributed" *) logic [Width-1:0] memory[Depth];

    always_ff @(posedge clk_i) begin
      if (write_i) memory[write_address_i] <= write_data_i;
    end

    assign read_a_data_o = memory[read_a_address_i];
    assign read_b_data_o = memory[read_b_address_i];
  end

endmodule
