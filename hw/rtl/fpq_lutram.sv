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
    // Two bits of one port in each port of the primitive but its last, whose address is the write's.
    localparam int Ports = Target == fpq_bank_pkg::TargetUltrascale ? 7 : 3;
    localparam int Pairs = (Width + 1) / 2;
    localparam int Units = (2 * Pairs + Ports - 1) / Ports;

    logic [4:0] write_address;
    logic [1:0][4:0] read_address;
    logic [Units*Ports-1:0][4:0] address;
    logic [Units*Ports-1:0][1:0] data_in, data_out;
    logic [2*Pairs-1:0] write_data, read_a, read_b;

    assign write_address = 5'(write_address_i);
    assign read_address  = {5'(read_b_address_i), 5'(read_a_address_i)};
    assign write_data    = (2 * Pairs)'(write_data_i);
    assign read_a_data_o = read_a[Width-1:0];
    assign read_b_data_o = read_b[Width-1:0];

    // Port 2 i is pair i for reader a, port 2 i + 1 for reader b.
    for (genvar i = 0; i < Units * Ports; i++) begin : gen_ports
      assign address[i] = read_address[i%2];
      assign data_in[i] = i < 2 * Pairs ? write_data[2*(i<2*Pairs ? i / 2 : 0)+:2] : 2'b00;
    end
    for (genvar i = 0; i < Pairs; i++) begin : gen_pairs
      assign read_a[2*i+:2] = data_out[2*i];
      assign read_b[2*i+:2] = data_out[2*i+1];
    end

    for (genvar i = 0; i < Units; i++) begin : gen_units
      if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_ram32m16
        RAM32M16 u_ram (
          .WCLK (clk_i),
          .WE   (write_i),
          .ADDRH(write_address),
          .DIH  (2'b00),
          .DOH  (),
          .ADDRA(address[i*Ports+0]),
          .DIA  (data_in[i*Ports+0]),
          .DOA  (data_out[i*Ports+0]),
          .ADDRB(address[i*Ports+1]),
          .DIB  (data_in[i*Ports+1]),
          .DOB  (data_out[i*Ports+1]),
          .ADDRC(address[i*Ports+2]),
          .DIC  (data_in[i*Ports+2]),
          .DOC  (data_out[i*Ports+2]),
          .ADDRD(address[i*Ports+3]),
          .DID  (data_in[i*Ports+3]),
          .DOD  (data_out[i*Ports+3]),
          .ADDRE(address[i*Ports+4]),
          .DIE  (data_in[i*Ports+4]),
          .DOE  (data_out[i*Ports+4]),
          .ADDRF(address[i*Ports+5]),
          .DIF  (data_in[i*Ports+5]),
          .DOF  (data_out[i*Ports+5]),
          .ADDRG(address[i*Ports+6]),
          .DIG  (data_in[i*Ports+6]),
          .DOG  (data_out[i*Ports+6])
        );
      end else begin : gen_ram32m
        RAM32M u_ram (
          .WCLK (clk_i),
          .WE   (write_i),
          .ADDRD(write_address),
          .DID  (2'b00),
          .DOD  (),
          .ADDRA(address[i*Ports+0]),
          .DIA  (data_in[i*Ports+0]),
          .DOA  (data_out[i*Ports+0]),
          .ADDRB(address[i*Ports+1]),
          .DIB  (data_in[i*Ports+1]),
          .DOB  (data_out[i*Ports+1]),
          .ADDRC(address[i*Ports+2]),
          .DIC  (data_in[i*Ports+2]),
          .DOC  (data_out[i*Ports+2])
        );
      end
    end
  end else begin : gen_generic
    (* ram_style = "distributed" *) logic [Width-1:0] memory[Depth];

    always_ff @(posedge clk_i) begin
      if (write_i) memory[write_address_i] <= write_data_i;
    end

    assign read_a_data_o = memory[read_a_address_i];
    assign read_b_data_o = memory[read_b_address_i];
  end

endmodule
