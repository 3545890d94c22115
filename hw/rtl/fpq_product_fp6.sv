// SPDX-License-Identifier: Apache-2.0
// Product of an FP6 activation (magnitude A of six bits) and an FP6 weight ((4 * d1 + d0) << shift), of LUT primitives, 24.5 of
// them: 6 choose d0 * A of the multiples made outside, 8 add 4 * d1 * A, chosen in the adder's own LUTs, and 10 shift and
// complement. {~one_o, product_o} is the product + 4096 - one_o, two cycles after the first inputs, unregistered.

module fpq_product_fp6 #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::TargetUltrascale
) (
  input  logic        clk_i,
  input  logic [13:0] a_i,       // {3 * A, A}
  input  logic [1:0]  d0_i,
  input  logic [14:0] a_late_i,  // a cycle later: {sign, 3 * A, A}
  input  logic [2:0]  w_late_i,  // {sign, d1}
  input  logic [1:0]  shift_i,   // another cycle later: 0 to 2
  output logic [11:0] product_o,
  output logic        one_o
);

  // d * A in bit i. Inputs: A's bits i and i - 1, 3 A's bit i, the digit d; of ChooseAdd: and a bit that is added.
  localparam logic [31:0] Choose = 32'hf0ccaa00;
  localparam logic [63:0] ChooseAdd = 64'h0f3355fff0ccaa00;
  // The two lowest bits, of A's two lowest and the digit; the two highest, of A's bit 5, 3 A's bits 6 and 7 and the digit.
  localparam logic [63:0] ChooseLow = 64'h6ac06ac0a0a0a0a0;
  localparam logic [63:0] ChooseTop = 64'hf0000000ccaa0000;
  // m << shift in bit i, complemented by the sign. Inputs: m's bits i to i - 2, the shift, the sign; of the two lowest bits and
  // the two highest: two bits of m, the shift, the sign.
  localparam logic [63:0] Shift = 64'h0f0f3355f0f0ccaa;
  localparam logic [63:0] ShiftLow = 64'hff5300acfff5000a;
  localparam logic [63:0] ShiftTop = 64'h33ffcc00553faac0;

  logic [5:0] a, late;
  logic [7:0] a3, late3, u, u_q, propagate, sum;
  logic [9:0] m_q;
  logic sign_q, carry;

  assign {a3, a}       = a_i;
  assign {late3, late} = a_late_i[13:0];

  // u = d0 * A.
  LUT6_2 #(.INIT(ChooseLow)) u_choose_low (
    .O5(u[0]), .O6(u[1]), .I0(a[0]), .I1(a[1]), .I2(d0_i[0]), .I3(d0_i[1]), .I4(1'b0), .I5(1'b1)
  );
  for (genvar i = 2; i < 6; i++) begin : gen_choose
    LUT6_2 #(.INIT({2{Choose}})) u_choose (
      .O5(), .O6(u[i]), .I0(a[i]), .I1(a[i-1]), .I2(a3[i]), .I3(d0_i[0]), .I4(d0_i[1]), .I5(1'b1)
    );
  end
  LUT6_2 #(.INIT(ChooseTop)) u_choose_top (
    .O5(u[6]), .O6(u[7]), .I0(a[5]), .I1(a3[6]), .I2(a3[7]), .I3(d0_i[0]), .I4(d0_i[1]), .I5(1'b1)
  );

  // m = u + 4 * d1 * A.
  for (genvar i = 0; i < 8; i++) begin : gen_add
    LUT6_2 #(.INIT(ChooseAdd)) u_add (
      .O5(), .O6(propagate[i]),
      .I0(i < 6 ? late[i<6?i : 0] : 1'b0), .I1(i > 0 && i < 7 ? late[i>0&&i<7?i-1 : 0] : 1'b0),
      .I2(late3[i]), .I3(w_late_i[0]), .I4(w_late_i[1]), .I5(i < 6 ? u_q[i<6?i+2 : 0] : 1'b0)
    );
  end
  fpq_chain #(
    .Target(Target),
    .Width (8)
  ) u_chain (
    .carry_i    (1'b0),
    .propagate_i(propagate),
    .generate_i ({2'b00, u_q[7:2]}),
    .sum_o      (sum),
    .carry_o    (carry)
  );

  always_ff @(posedge clk_i) begin
    u_q    <= u;
    m_q    <= {sum, u_q[1:0]};
    sign_q <= a_late_i[14] ^ w_late_i[2];
  end

  // The shift and the sign.
  LUT6_2 #(.INIT(ShiftLow)) u_shift_low (
    .O5(product_o[0]), .O6(product_o[1]),
    .I0(m_q[0]), .I1(m_q[1]), .I2(shift_i[0]), .I3(shift_i[1]), .I4(sign_q), .I5(1'b1)
  );
  for (genvar i = 2; i < 10; i++) begin : gen_shift
    LUT6_2 #(.INIT(Shift)) u_shift (
      .O5(), .O6(product_o[i]), .I0(m_q[i]), .I1(m_q[i-1]), .I2(m_q[i-2]), .I3(shift_i[0]), .I4(shift_i[1]), .I5(sign_q)
    );
  end
  LUT6_2 #(.INIT(ShiftTop)) u_shift_top (
    .O5(product_o[10]), .O6(product_o[11]),
    .I0(m_q[8]), .I1(m_q[9]), .I2(shift_i[0]), .I3(shift_i[1]), .I4(sign_q), .I5(1'b1)
  );
  assign one_o = sign_q;

  logic unused;
  assign unused = ^{carry, a3[1:0]};  // 3 A's lowest bits need no wires in the first digit

endmodule
