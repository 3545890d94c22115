// SPDX-License-Identifier: Apache-2.0
// Simulation model of the block memories RAMB18/36 E1/E2 as synthesis uses them: no output registers, no cascade, no initial
// value, no reset of the output. Widths are the primitives' (with parity), addresses count data bits.

module estimate_bram #(
  parameter int Bits = 32768,  // without parity
  parameter int ReadWidthA = 0,
  parameter int ReadWidthB = 0,
  parameter int WriteWidthA = 0,
  parameter int WriteWidthB = 0,
  parameter string WriteModeA = "READ_FIRST",
  parameter string WriteModeB = "READ_FIRST"
) (
  input  logic        clk_a,
  input  logic        clk_b,
  input  logic        enable_a,
  input  logic        enable_b,
  input  logic [14:0] address_a,
  input  logic [14:0] address_b,
  input  logic [7:0]  write_a,
  input  logic [7:0]  write_b,
  input  logic [71:0] data_a_i,  // parity on top
  input  logic [71:0] data_b_i,
  output logic [71:0] data_a_o,
  output logic [71:0] data_b_o
);

  function automatic int data_width(int width);
    return width == 9 ? 8 : width == 18 ? 16 : width == 36 ? 32 : width == 72 ? 64 : width;
  endfunction

  localparam int AddressBits = $clog2(Bits);

  logic [Bits-1:0] data = '0;
  logic [Bits/8-1:0] parity = '0;

  function automatic logic [71:0] read(int width, logic [14:0] address);
    automatic int bits = data_width(width);
    automatic logic [71:0] result = '0;
    automatic int first = int'(address[AddressBits-1:0]) & ~(bits - 1);
    for (int i = 0; i < bits; i++) result[i] = data[first+i];
    for (int i = 0; i < bits / 8; i++) result[64+i] = parity[first/8+i];
    return result;
  endfunction

  always @(posedge clk_a) begin
    automatic int first = int'(address_a[AddressBits-1:0]) & ~(data_width(WriteWidthA) - 1);
    if (enable_a && ReadWidthA != 0 && (WriteModeA == "READ_FIRST" || write_a == '0))
      data_a_o <= read(ReadWidthA, address_a);
    if (enable_a && WriteWidthA != 0) begin
      for (int i = 0; i < data_width(WriteWidthA); i++) if (write_a[i/8]) data[first+i] <= data_a_i[i];
      for (int i = 0; i < data_width(WriteWidthA) / 8; i++) if (write_a[i]) parity[first/8+i] <= data_a_i[64+i];
    end
  end

  always @(posedge clk_b) begin
    automatic int first = int'(address_b[AddressBits-1:0]) & ~(data_width(WriteWidthB) - 1);
    if (enable_b && ReadWidthB != 0 && (WriteModeB == "READ_FIRST" || write_b == '0))
      data_b_o <= read(ReadWidthB, address_b);
    if (enable_b && WriteWidthB != 0) begin
      for (int i = 0; i < data_width(WriteWidthB); i++) if (write_b[i/8]) data[first+i] <= data_b_i[i];
      for (int i = 0; i < data_width(WriteWidthB) / 8; i++) if (write_b[i]) parity[first/8+i] <= data_b_i[64+i];
    end
  end

endmodule
