// SPDX-License-Identifier: Apache-2.0
// One DSP slice as four adders of 12 bits: p = a + b + cascade_i, or a + b + Offset in the first slice of a cascade, field by
// field. a_i and b_i are registered, p_o too: latency 2; cascade_i belongs to the cycle after a_i and b_i.

`include "fpq_assert.svh"

module fpq_dsp_add #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::TargetUltrascale,
  parameter bit First = 1'b0,               // of a cascade
  parameter logic [11:0] Offset = 12'h800   // in each field of the first slice
) (
  input  logic        clk_i,
  input  logic [47:0] a_i,
  input  logic [47:0] b_i,
  input  logic [47:0] cascade_i,
  output logic [47:0] cascade_o,  // p_o, on the wires between slices
  output logic [47:0] p_o
);

  `FPQ_REQUIRE(gen_bad_target, Target != fpq_bank_pkg::TargetSeries7,
               "fpq_dsp_add: a DSP48E1 has no fourth operand for the offset")

  if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_ultrascale
    DSP48E2 #(
      .AREG              (1),
      .ACASCREG          (1),
      .BREG              (1),
      .BCASCREG          (1),
      .CREG              (1),
      .ADREG             (0),
      .DREG              (0),
      .MREG              (0),
      .PREG              (1),
      .CARRYINREG        (0),
      .CARRYINSELREG     (0),
      .OPMODEREG         (0),
      .ALUMODEREG        (0),
      .INMODEREG         (0),
      .USE_MULT          ("NONE"),
      .USE_SIMD          ("FOUR12"),
      .USE_PATTERN_DETECT("NO_PATDET"),
      .PATTERN           (48'd0),
      .MASK              (48'h3fffffffffff),
      .SEL_PATTERN       ("PATTERN"),
      .SEL_MASK          ("MASK"),
      .RND               ({4{Offset}})
    ) u_dsp (
      .CLK           (clk_i),
      .A             (a_i[47:18]),
      .B             (a_i[17:0]),
      .C             (b_i),
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
      .OPMODE        (First ? 9'b10_000_11_11 : 9'b00_001_11_11),  // W = RND or 0, Z = 0 or PCIN, Y = C, X = A:B
      .CEA1          (1'b1),
      .CEA2          (1'b1),
      .CEB1          (1'b1),
      .CEB2          (1'b1),
      .CEC           (1'b1),
      .CEM           (1'b0),
      .CEP           (1'b1),
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
      .PATTERNDETECT (),
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
  end else begin : gen_generic
    logic [47:0] a_q, b_q;

    always_ff @(posedge clk_i) begin
      {a_q, b_q} <= {a_i, b_i};
      for (int i = 0; i < 4; i++) begin
        p_o[12*i+:12] <= a_q[12*i+:12] + b_q[12*i+:12] + (First ? Offset : cascade_i[12*i+:12]);
      end
    end
    assign cascade_o = p_o;
  end

endmodule
