// SPDX-License-Identifier: Apache-2.0
// 32 words in LUTs, read at as many addresses as there are readers, asynchronously; one port writes them all. Each reader has
// a copy of its own, two bits of it in a port of the primitive; the primitive's last port takes the write's address.

module fpq_table #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Width = 10,
  parameter int Readers = 7
) (
  input  logic                          clk_i,
  input  logic                          write_i,
  input  logic [4:0]                    write_address_i,
  input  logic [Width-1:0]              write_data_i,
  input  logic [Readers-1:0][4:0]       read_addresses_i,
  output logic [Readers-1:0][Width-1:0] read_data_o
);

  if (Target == fpq_bank_pkg::TargetGeneric) begin : gen_generic
    (* ram_style = "distributed" *) logic [Width-1:0] memory[32];

    always_ff @(posedge clk_i) begin
      if (write_i) memory[write_address_i] <= write_data_i;
    end
    for (genvar r = 0; r < Readers; r++) begin : gen_readers
      assign read_data_o[r] = memory[read_addresses_i[r]];
    end
  end else begin : gen_mapped
    localparam int Ports = Target == fpq_bank_pkg::TargetUltrascale ? 7 : 3;
    localparam int Pairs = (Width + 1) / 2;
    localparam int Units = (Readers * Pairs + Ports - 1) / Ports;

    // Reader r's pair k is port r * Pairs + k of all.
    logic [2*Pairs-1:0] write_data;
    logic [Units*Ports-1:0][4:0] address;
    logic [Units*Ports-1:0][1:0] data_in, data_out;

    assign write_data = (2 * Pairs)'(write_data_i);
    for (genvar i = 0; i < Units * Ports; i++) begin : gen_ports
      assign address[i] = read_addresses_i[i < Readers * Pairs ? i / Pairs : 0];
      assign data_in[i] = write_data[2*(i%Pairs)+:2];
    end
    for (genvar r = 0; r < Readers; r++) begin : gen_readers
      assign read_data_o[r] = Width'(data_out[r*Pairs+:Pairs]);
    end

    for (genvar i = 0; i < Units; i++) begin : gen_units
      if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_ram32m16
        RAM32M16 u_ram (
          .WCLK (clk_i),
          .WE   (write_i),
          .ADDRH(write_address_i),
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
          .ADDRD(write_address_i),
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
  end

endmodule
