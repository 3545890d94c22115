// SPDX-License-Identifier: Apache-2.0
// A DSP slice of the device, DSP48E2 or DSP48E1, with what no user here needs tied off: no pre-adder, no carry in, constant
// modes, no reset. fpq_dsp, fpq_dsp_add and fpq_dsp_mac say what is added to what, and describe it as behaviour too.

`include "fpq_assert.svh"

module fpq_dsp_slice #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::TargetUltrascale,
  parameter int InputStages = 1,            // registers of a and b
  parameter logic [8:0] OpMode = 9'b00_000_01_01,  // W, Z, Y, X; a DSP48E1 has no W
  // Strings as the primitive has them, which have no type that all tools know.
  // verilog_lint: waive-start explicit-parameter-storage-type
  parameter UseMult = "MULTIPLY",
  parameter UseSimd = "ONE48",
  parameter UsePatternDetect = "NO_PATDET",
  // verilog_lint: waive-stop explicit-parameter-storage-type
  parameter logic [47:0] Mask = 48'h3fffffffffff,  // bits of p that zero_o ignores
  parameter logic [47:0] Rnd = '0           // the constant that W may be
) (
  input  logic        clk_i,
  input  logic        enable_i,
  input  logic [29:0] a_i,
  input  logic [17:0] b_i,
  input  logic [47:0] c_i,
  input  logic [47:0] cascade_i,
  output logic [47:0] cascade_o,
  output logic [47:0] p_o,
  output logic        zero_o
);

  `FPQ_REQUIRE(gen_bad_target, Target == fpq_bank_pkg::TargetUltrascale ||
               Target == fpq_bank_pkg::TargetSeries7 && OpMode[8:7] == 2'd0,
               "fpq_dsp_slice: UltraScale's slices have four operands, those of 7 series three; others have none")

  if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_ultrascale
    DSP48E2 #(
      .AREG(InputStages), .ACASCREG(InputStages), .BREG(InputStages), .BCASCREG(InputStages), .CREG(1), .ADREG(0),
      .DREG(0),
      .MREG(UseMult == "NONE" ? 0 : 1), .PREG(1), .CARRYINREG(0), .CARRYINSELREG(0), .OPMODEREG(0), .ALUMODEREG(0),
      .INMODEREG(0), .USE_MULT(UseMult), .USE_SIMD(UseSimd), .USE_PATTERN_DETECT(UsePatternDetect), .PATTERN(48'd0),
      .MASK(Mask), .SEL_PATTERN("PATTERN"), .SEL_MASK("MASK"), .RND(Rnd)
    ) u_dsp (
      .CLK(clk_i), .A(a_i), .B(b_i), .C(c_i), .D('0), .PCIN(cascade_i), .ACIN('0), .BCIN('0), .CARRYIN(1'b0),
      .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0), .CARRYINSEL(3'd0), .INMODE(5'd0), .ALUMODE(4'd0), .OPMODE(OpMode),
      .CEA1(enable_i), .CEA2(enable_i), .CEB1(enable_i), .CEB2(enable_i), .CEC(enable_i),
      .CEM(UseMult == "NONE" ? 1'b0 : enable_i), .CEP(enable_i), .CEAD(1'b0), .CED(1'b0), .CECTRL(1'b0),
      .CEALUMODE(1'b0), .CEINMODE(1'b0), .CECARRYIN(1'b0),
      .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
      .RSTCTRL(1'b0), .RSTALUMODE(1'b0), .RSTINMODE(1'b0), .RSTALLCARRYIN(1'b0), .P(p_o), .PCOUT(cascade_o),
      .PATTERNDETECT(zero_o), .PATTERNBDETECT(), .OVERFLOW(), .UNDERFLOW(), .CARRYOUT(), .CARRYCASCOUT(),
      .MULTSIGNOUT(), .ACOUT(), .BCOUT(), .XOROUT()
    );
  end else if (Target == fpq_bank_pkg::TargetSeries7) begin : gen_series7
    DSP48E1 #(
      .AREG(InputStages), .ACASCREG(InputStages), .BREG(InputStages), .BCASCREG(InputStages), .CREG(1), .ADREG(0),
      .DREG(0),
      .MREG(UseMult == "NONE" ? 0 : 1), .PREG(1), .CARRYINREG(0), .CARRYINSELREG(0), .OPMODEREG(0), .ALUMODEREG(0),
      .INMODEREG(0), .USE_MULT(UseMult), .USE_SIMD(UseSimd), .USE_PATTERN_DETECT(UsePatternDetect), .PATTERN(48'd0),
      .MASK(Mask), .SEL_PATTERN("PATTERN"), .SEL_MASK("MASK")
    ) u_dsp (
      .CLK(clk_i), .A(a_i), .B(b_i), .C(c_i), .D('0), .PCIN(cascade_i), .ACIN('0), .BCIN('0), .CARRYIN(1'b0),
      .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0), .CARRYINSEL(3'd0), .INMODE(5'd0), .ALUMODE(4'd0), .OPMODE(OpMode[6:0]),
      .CEA1(enable_i), .CEA2(enable_i), .CEB1(enable_i), .CEB2(enable_i), .CEC(enable_i),
      .CEM(UseMult == "NONE" ? 1'b0 : enable_i), .CEP(enable_i), .CEAD(1'b0), .CED(1'b0), .CECTRL(1'b0),
      .CEALUMODE(1'b0), .CEINMODE(1'b0), .CECARRYIN(1'b0),
      .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
      .RSTCTRL(1'b0), .RSTALUMODE(1'b0), .RSTINMODE(1'b0), .RSTALLCARRYIN(1'b0), .P(p_o), .PCOUT(cascade_o),
      .PATTERNDETECT(zero_o), .PATTERNBDETECT(), .OVERFLOW(), .UNDERFLOW(), .CARRYOUT(), .CARRYCASCOUT(),
      .MULTSIGNOUT(), .ACOUT(), .BCOUT()
    );
  end

endmodule
