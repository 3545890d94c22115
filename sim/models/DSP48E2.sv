// SPDX-License-Identifier: Apache-2.0
// Simulation model of the primitive, of what the engine uses of it: a * b or the concatenation {a, b}, registers of a, b, c,
// m and p, the four-input adder, SIMD, pattern detection. Anything else ends the simulation with a sentence.

module DSP48E2 #(
  parameter int AREG = 1,
  parameter int ACASCREG = 1,
  parameter int BREG = 1,
  parameter int BCASCREG = 1,
  parameter int CREG = 1,
  parameter int ADREG = 1,
  parameter int DREG = 1,
  parameter int MREG = 1,
  parameter int PREG = 1,
  parameter int CARRYINREG = 1,
  parameter int CARRYINSELREG = 1,
  parameter int OPMODEREG = 1,
  parameter int ALUMODEREG = 1,
  parameter int INMODEREG = 1,
  parameter string USE_MULT = "MULTIPLY",
  parameter string USE_SIMD = "ONE48",
  parameter string USE_PATTERN_DETECT = "NO_PATDET",
  parameter logic [47:0] PATTERN = '0,
  parameter logic [47:0] MASK = 48'h3fffffffffff,
  parameter string SEL_PATTERN = "PATTERN",
  parameter string SEL_MASK = "MASK",
  parameter logic [47:0] RND = '0
) (
  input  logic        CLK,
  input  logic [29:0] A,
  input  logic [17:0] B,
  input  logic [47:0] C,
  input  logic [26:0] D,
  input  logic [47:0] PCIN,
  input  logic [29:0] ACIN,
  input  logic [17:0] BCIN,
  input  logic        CARRYIN,
  input  logic        CARRYCASCIN,
  input  logic        MULTSIGNIN,
  input  logic [2:0]  CARRYINSEL,
  input  logic [4:0]  INMODE,
  input  logic [3:0]  ALUMODE,
  input  logic [8:0]  OPMODE,
  input  logic        CEA1, CEA2, CEB1, CEB2, CEC, CEM, CEP, CEAD, CED, CECTRL, CEALUMODE, CEINMODE, CECARRYIN,
  input  logic        RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTCTRL, RSTALUMODE, RSTINMODE, RSTALLCARRYIN,
  output logic [47:0] P,
  output logic [47:0] PCOUT,
  output logic        PATTERNDETECT,
  output logic        PATTERNBDETECT,
  output logic        OVERFLOW,
  output logic        UNDERFLOW,
  output logic [3:0]  CARRYOUT,
  output logic        CARRYCASCOUT,
  output logic        MULTSIGNOUT,
  output logic [7:0]  XOROUT,
  output logic [29:0] ACOUT,
  output logic [17:0] BCOUT
);

  logic [29:0] a_1_q, a_q;
  logic [17:0] b_1_q, b_q;
  logic [47:0] c_q, m_q, w, x, y, z, sum;
  logic [8:0]  opmode;

  initial begin
    if (AREG < 1 || BREG < 1 || CREG != 1 || PREG != 1 || ALUMODEREG != 0 || INMODEREG != 0 || CARRYINREG != 0)
      $fatal(1, "DSP48E2 model: registers of a, b, c and p are always there, those of modes and carry never");
    if (USE_MULT == "MULTIPLY" && (MREG != 1 || USE_SIMD != "ONE48"))
      $fatal(1, "DSP48E2 model: a multiplication is registered and not SIMD");
  end

  always_ff @(posedge CLK) begin
    if (CEA1) a_1_q <= RSTA ? '0 : A;
    if (CEA2) a_q <= RSTA ? '0 : AREG == 2 ? a_1_q : A;
    if (CEB1) b_1_q <= RSTB ? '0 : B;
    if (CEB2) b_q <= RSTB ? '0 : BREG == 2 ? b_1_q : B;
    if (CEC) c_q <= RSTC ? '0 : C;
    if (CEM) m_q <= RSTM ? '0 : 48'(signed'(a_q[26:0]) * signed'(45'(signed'(b_q))));
  end

  if (OPMODEREG == 1) begin : gen_opmode
    logic [8:0] opmode_q;
    always_ff @(posedge CLK) if (CECTRL) opmode_q <= RSTCTRL ? '0 : OPMODE;
    assign opmode = opmode_q;
  end else begin : gen_no_opmode
    assign opmode = OPMODE;
  end

  always_comb begin
    unique case (opmode[8:7])
      2'b00: w = '0;
      2'b01: w = P;
      2'b10: w = RND;
      2'b11: w = c_q;
    endcase
    unique case (opmode[1:0])
      2'b00: x = '0;
      2'b01: x = m_q;
      2'b10: x = P;
      2'b11: x = {a_q, b_q};
    endcase
    unique case (opmode[3:2])
      2'b01: y = '0;  // the other half of the product, which x has whole
      2'b10: y = '1;
      2'b11: y = c_q;
      default: y = '0;
    endcase
    unique case (opmode[6:4])
      3'b001: z = PCIN;
      3'b010: z = P;
      3'b011: z = c_q;
      3'b101: z = 48'(signed'(PCIN) >>> 17);
      3'b110: z = 48'(signed'(P) >>> 17);
      default: z = '0;
    endcase
    if (USE_SIMD == "TWO24") sum = {w[47:24] + x[47:24] + y[47:24] + z[47:24], w[23:0] + x[23:0] + y[23:0] + z[23:0]};
    else if (USE_SIMD == "FOUR12")
      for (int i = 0; i < 4; i++) sum[12*i+:12] = w[12*i+:12] + x[12*i+:12] + y[12*i+:12] + z[12*i+:12];
    else sum = w + x + y + z + 48'(CARRYIN);
  end

  always_ff @(posedge CLK) begin
    if (CEP) begin
      P <= RSTP ? '0 : sum;
      PATTERNDETECT <= ~RSTP & (((sum ^ PATTERN) & ~MASK) == '0);
    end
    if (ALUMODE != 4'd0 || CARRYINSEL != 3'd0 || INMODE != 5'd0 || CARRYCASCIN || MULTSIGNIN)
      $fatal(1, "DSP48E2 model: ALUMODE, CARRYINSEL, INMODE, CARRYCASCIN and MULTSIGNIN are 0");
    if (USE_MULT == "MULTIPLY" && (opmode[3:2] == 2'b01) != (opmode[1:0] == 2'b01))
      $fatal(1, "DSP48E2 model: a product takes both X and Y");
    if (USE_SIMD != "ONE48" && CARRYIN) $fatal(1, "DSP48E2 model: no carry into SIMD lanes");
  end

  assign PCOUT = P;
  assign {PATTERNBDETECT, OVERFLOW, UNDERFLOW, CARRYOUT, CARRYCASCOUT, MULTSIGNOUT, XOROUT, ACOUT, BCOUT} = '0;

endmodule
