// SPDX-License-Identifier: Apache-2.0
// Simulation model of the primitive: 32 words, eight ports of two bits; port H writes all of them.

module RAM32M16 (
  output logic [1:0] DOA, DOB, DOC, DOD, DOE, DOF, DOG, DOH,
  input  logic [4:0] ADDRA, ADDRB, ADDRC, ADDRD, ADDRE, ADDRF, ADDRG, ADDRH,
  input  logic [1:0] DIA, DIB, DIC, DID, DIE, DIF, DIG, DIH,
  input  logic       WCLK,
  input  logic       WE
);

  logic [1:0] a[32], b[32], c[32], d[32], e[32], f[32], g[32], h[32];

  always_ff @(posedge WCLK) begin
    if (WE) begin
      a[ADDRH] <= DIA;
      b[ADDRH] <= DIB;
      c[ADDRH] <= DIC;
      d[ADDRH] <= DID;
      e[ADDRH] <= DIE;
      f[ADDRH] <= DIF;
      g[ADDRH] <= DIG;
      h[ADDRH] <= DIH;
    end
  end
  assign {DOA, DOB, DOC, DOD} = {a[ADDRA], b[ADDRB], c[ADDRC], d[ADDRD]};
  assign {DOE, DOF, DOG, DOH} = {e[ADDRE], f[ADDRF], g[ADDRG], h[ADDRH]};

endmodule
