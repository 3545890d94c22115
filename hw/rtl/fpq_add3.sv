// SPDX-License-Identifier: Apache-2.0
// sum = x + y + (z, or 0 where clear_i) + two bits of weight one. Combinational; a LUT a bit: each sums three bits and the
// majority of the place below, and gives its own majority to the place above.

module fpq_add3 #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Width = 9,
  parameter int SumWidth = 11,  // at most Width + 2; a shorter sum wraps
  parameter bit InvertTop = 0   // the operands' top bits come complemented
) (
  input  logic [Width-1:0]    x_i,
  input  logic [Width-1:0]    y_i,
  input  logic [Width-1:0]    z_i,
  input  logic                clear_i,
  input  logic [1:0]          ones_i,
  output logic [SumWidth-1:0] sum_o
);

  if (Target == fpq_bank_pkg::TargetGeneric) begin : gen_generic
    localparam logic [Width-1:0] Flip = Width'(InvertTop) << (Width - 1);
    assign sum_o = SumWidth'(x_i ^ Flip) + SumWidth'(y_i ^ Flip) + (clear_i ? '0 : SumWidth'(z_i ^ Flip)) +
                   SumWidth'(ones_i[0]) + SumWidth'(ones_i[1]);
  end else begin : gen_mapped
    localparam int Places = SumWidth < Width + 1 ? SumWidth : Width + 1;
    // Inputs x, y, z, clear, majority from below. O6: parity. O5: majority of the three.
    localparam logic [31:0] Parity = 32'h99696696;
    localparam logic [31:0] Majority = 32'h88e888e8;
    // The same of complemented x, y and z.
    localparam logic [31:0] ParityOfInverse = 32'h99966669;
    localparam logic [31:0] MajorityOfInverse = 32'h11171117;

    logic [Width:0] x, y, z;
    logic [Places:0] majority;
    logic [Places-1:0] parity, sum;
    logic carry;

    assign {x, y, z} = {1'b0, x_i, 1'b0, y_i, 1'b0, z_i};
    assign majority[0] = ones_i[1];

    for (genvar i = 0; i < Places; i++) begin : gen_places
      LUT6_2 #(
        .INIT(InvertTop && i == Width - 1 ? {ParityOfInverse, MajorityOfInverse} : {Parity, Majority})
      ) u_lut (
        .O6(parity[i]),
        .O5(majority[i+1]),
        .I0(x[i]),
        .I1(y[i]),
        .I2(z[i]),
        .I3(clear_i),
        .I4(majority[i]),
        .I5(1'b1)
      );
    end

    fpq_chain #(
      .Target(Target),
      .Width (Places)
    ) u_chain (
      .carry_i    (ones_i[0]),
      .propagate_i(parity),
      .generate_i (majority[Places-1:0]),
      .sum_o      (sum),
      .carry_o    (carry)
    );
    assign sum_o = SumWidth'({carry, sum});
  end

endmodule
