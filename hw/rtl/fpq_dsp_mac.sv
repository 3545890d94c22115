// SPDX-License-Identifier: Apache-2.0
// One DSP slice in a cascade: p = cascade_i + a * b, of 27 and 18 bits. Latency 3; cascade_i belongs two cycles after a_i and b_i.

`include "fpq_assert.svh"

module fpq_dsp_mac #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::TargetUltrascale,
  parameter bit First = 1'b0  // of a cascade: p = a * b
) (
  input  logic               clk_i,
  input  logic signed [26:0] a_i,
  input  logic signed [17:0] b_i,
  input  logic signed [47:0] cascade_i,
  output logic signed [47:0] cascade_o,  // p_o, on the wires between slices
  output logic signed [47:0] p_o
);

  `FPQ_REQUIRE(gen_bad_target, Target != fpq_bank_pkg::TargetSeries7,
               "fpq_dsp_mac: a DSP48E1 multiplies 25 by 18 bits only")

  if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_ultrascale
    DSP48E2 #(
      .AREG(1), .ACASCREG(1), .BREG(1), .BCASCREG(1), .CREG(1), .ADREG(0), .DREG(0), .MREG(1), .PREG(1),
      .CARRYINREG(0), .CARRYINSELREG(0), .OPMODEREG(0), .ALUMODEREG(0), .INMODEREG(0),
      .USE_MULT("MULTIPLY"), .USE_SIMD("ONE48"), .USE_PATTERN_DETECT("NO_PATDET"), .PATTERN(48'd0),
      .MASK(48'h3fffffffffff), .SEL_PATTERN("PATTERN"), .SEL_MASK("MASK")
    ) u_dsp (
      .CLK(clk_i), .A(30'(a_i)), .B(b_i), .C('0), .D('0), .PCIN(cascade_i), .ACIN('0), .BCIN('0),
      .CARRYIN(1'b0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0), .CARRYINSEL(3'd0), .INMODE(5'd0), .ALUMODE(4'd0),
      .OPMODE(First ? 9'b00_000_01_01 : 9'b00_001_01_01),  // W = 0, Z = 0 or PCIN, Y and X = product
      .CEA1(1'b1), .CEA2(1'b1), .CEB1(1'b1), .CEB2(1'b1), .CEC(1'b1), .CEM(1'b1), .CEP(1'b1), .CEAD(1'b0), .CED(1'b0),
      .CECTRL(1'b0), .CEALUMODE(1'b0), .CEINMODE(1'b0), .CECARRYIN(1'b0),
      .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0), .RSTCTRL(1'b0), .RSTALUMODE(1'b0),
      .RSTINMODE(1'b0), .RSTALLCARRYIN(1'b0),
      .P(p_o), .PCOUT(cascade_o), .PATTERNDETECT(), .PATTERNBDETECT(), .OVERFLOW(), .UNDERFLOW(), .CARRYOUT(),
      .CARRYCASCOUT(), .MULTSIGNOUT(), .XOROUT(), .ACOUT(), .BCOUT()
    );
  end else begin : gen_generic
    logic signed [26:0] a_q;
    logic signed [17:0] b_q;
    logic signed [44:0] m_q;

    always_ff @(posedge clk_i) begin
      {a_q, b_q} <= {a_i, b_i};
      m_q <= 45'(a_q) * 45'(b_q);
      p_o <= (First ? 48'sd0 : cascade_i) + 48'(m_q);
    end
    assign cascade_o = p_o;
  end

endmodule
