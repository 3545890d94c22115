// SPDX-License-Identifier: Apache-2.0
// One DSP slice, fully registered: p = addend + a * b, the addend being c, or the cascaded p of a neighbour shifted right by 17.
// c and cascade_i belong to the cycle after a and b (InputStages = 1), which is where the slice's own C register stands.

module fpq_dsp #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int InputStages = 1,  // registers of a and b: 1 or 2
  parameter bit Cascade = 1'b0,   // addend: 0: c_i; 1: cascade_i >>> 17, where cascade_i is a neighbour's cascade_o
  parameter int LowBits = 1       // low_zero_o tells whether so many low bits of p are zero
) (
  input  logic               clk_i,
  input  logic               enable_i,
  input  logic signed [24:0] a_i,
  input  logic signed [17:0] b_i,
  input  logic signed [47:0] c_i,
  input  logic signed [47:0] cascade_i,
  output logic signed [47:0] cascade_o,  // p_o, on the wires between slices
  output logic signed [47:0] p_o,
  output logic               low_zero_o
);

  localparam logic [47:0] Ignored = ~((48'd1 << LowBits) - 48'd1);

  if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_ultrascale
    DSP48E2 #(
      .AREG              (InputStages),
      .ACASCREG          (InputStages),
      .BREG              (InputStages),
      .BCASCREG          (InputStages),
      .CREG              (1),
      .ADREG             (0),
      .DREG              (0),
      .MREG              (1),
      .PREG              (1),
      .CARRYINREG        (0),
      .CARRYINSELREG     (0),
      .OPMODEREG         (0),
      .ALUMODEREG        (0),
      .INMODEREG         (0),
      .USE_MULT          ("MULTIPLY"),
      .USE_SIMD          ("ONE48"),
      .USE_PATTERN_DETECT("PATDET"),
      .PATTERN           (48'd0),
      .MASK              (Ignored),
      .SEL_PATTERN       ("PATTERN"),
      .SEL_MASK          ("MASK")
    ) u_dsp (
      .CLK           (clk_i),
      .A             (30'(a_i)),
      .B             (b_i),
      .C             (c_i),
      .D             ('0),
      .PCIN          (cascade_i),
      .ACIN          ('0),
      .BCIN          ('0),
      .CARRYIN       (1'b0),
      .CARRYCASCIN   (1'b0),
      .MULTSIGNIN    (1'b0),
      .CARRYINSEL    (3'd0),
      .INMODE        (5'd0),
      .ALUMODE       (4'd0),
      .OPMODE        (Cascade ? 9'b00_101_01_01 : 9'b00_011_01_01),  // W = 0, Z = PCIN >> 17 or C, Y and X = product
      .CEA1          (enable_i),
      .CEA2          (enable_i),
      .CEB1          (enable_i),
      .CEB2          (enable_i),
      .CEC           (enable_i),
      .CEM           (enable_i),
      .CEP           (enable_i),
      .CEAD          (1'b0),
      .CED           (1'b0),
      .CECTRL        (1'b0),
      .CEALUMODE     (1'b0),
      .CEINMODE      (1'b0),
      .CECARRYIN     (1'b0),
      .RSTA          (1'b0),
      .RSTB          (1'b0),
      .RSTC          (1'b0),
      .RSTD          (1'b0),
      .RSTM          (1'b0),
      .RSTP          (1'b0),
      .RSTCTRL       (1'b0),
      .RSTALUMODE    (1'b0),
      .RSTINMODE     (1'b0),
      .RSTALLCARRYIN (1'b0),
      .P             (p_o),
      .PCOUT         (cascade_o),
      .PATTERNDETECT (low_zero_o),
      .PATTERNBDETECT(),
      .OVERFLOW      (),
      .UNDERFLOW     (),
      .CARRYOUT      (),
      .CARRYCASCOUT  (),
      .MULTSIGNOUT   (),
      .XOROUT        (),
      .ACOUT         (),
      .BCOUT         ()
    );
  end else if (Target == fpq_bank_pkg::TargetSeries7) begin : gen_series7
    DSP48E1 #(
      .AREG              (InputStages),
      .ACASCREG          (InputStages),
      .BREG              (InputStages),
      .BCASCREG          (InputStages),
      .CREG              (1),
      .ADREG             (0),
      .DREG              (0),
      .MREG              (1),
      .PREG              (1),
      .CARRYINREG        (0),
      .CARRYINSELREG     (0),
      .OPMODEREG         (0),
      .ALUMODEREG        (0),
      .INMODEREG         (0),
      .USE_MULT          ("MULTIPLY"),
      .USE_SIMD          ("ONE48"),
      .USE_PATTERN_DETECT("PATDET"),
      .PATTERN           (48'd0),
      .MASK              (Ignored),
      .SEL_PATTERN       ("PATTERN"),
      .SEL_MASK          ("MASK")
    ) u_dsp (
      .CLK           (clk_i),
      .A             (30'(a_i)),
      .B             (b_i),
      .C             (c_i),
      .D             ('0),
      .PCIN          (cascade_i),
      .ACIN          ('0),
      .BCIN          ('0),
      .CARRYIN       (1'b0),
      .CARRYCASCIN   (1'b0),
      .MULTSIGNIN    (1'b0),
      .CARRYINSEL    (3'd0),
      .INMODE        (5'd0),
      .ALUMODE       (4'd0),
      .OPMODE        (Cascade ? 7'b101_01_01 : 7'b011_01_01),
      .CEA1          (enable_i),
      .CEA2          (enable_i),
      .CEB1          (enable_i),
      .CEB2          (enable_i),
      .CEC           (enable_i),
      .CEM           (enable_i),
      .CEP           (enable_i),
      .CEAD          (1'b0),
      .CED           (1'b0),
      .CECTRL        (1'b0),
      .CEALUMODE     (1'b0),
      .CEINMODE      (1'b0),
      .CECARRYIN     (1'b0),
      .RSTA          (1'b0),
      .RSTB          (1'b0),
      .RSTC          (1'b0),
      .RSTD          (1'b0),
      .RSTM          (1'b0),
      .RSTP          (1'b0),
      .RSTCTRL       (1'b0),
      .RSTALUMODE    (1'b0),
      .RSTINMODE     (1'b0),
      .RSTALLCARRYIN (1'b0),
      .P             (p_o),
      .PCOUT         (cascade_o),
      .PATTERNDETECT (low_zero_o),
      .PATTERNBDETECT(),
      .OVERFLOW      (),
      .UNDERFLOW     (),
      .CARRYOUT      (),
      .CARRYCASCOUT  (),
      .MULTSIGNOUT   (),
      .ACOUT         (),
      .BCOUT         ()
    );
  end else begin : gen_generic
    logic signed [24:0] a_q;
    logic signed [17:0] b_q;
    logic signed [42:0] m_q;
    logic signed [47:0] addend;

    if (InputStages == 2) begin : gen_two_stages
      logic signed [24:0] a_first_q;
      logic signed [17:0] b_first_q;

      always_ff @(posedge clk_i) begin
        if (enable_i) begin
          {a_first_q, b_first_q} <= {a_i, b_i};
          {a_q, b_q} <= {a_first_q, b_first_q};
        end
      end
    end else begin : gen_one_stage
      always_ff @(posedge clk_i) begin
        if (enable_i) {a_q, b_q} <= {a_i, b_i};
      end
    end

    if (Cascade) begin : gen_cascade
      assign addend = cascade_i >>> 17;
    end else begin : gen_c
      logic signed [47:0] c_q;

      always_ff @(posedge clk_i) begin
        if (enable_i) c_q <= c_i;
      end
      assign addend = c_q;
    end

    always_ff @(posedge clk_i) begin
      if (enable_i) begin
        m_q <= 43'(a_q) * 43'(b_q);
        p_o <= addend + 48'(m_q);
      end
    end

    assign cascade_o  = p_o;
    assign low_zero_o = (p_o & ~Ignored) == '0;
  end

endmodule
