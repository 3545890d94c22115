// SPDX-License-Identifier: Apache-2.0
// Simulation model of the primitive: 32 words, four ports of two bits; port D writes all of them.

module RAM32M (
  output logic [1:0] DOA, DOB, DOC, DOD,
  input  logic [4:0] ADDRA, ADDRB, ADDRC, ADDRD,
  input  logic [1:0] DIA, DIB, DIC, DID,
  input  logic       WCLK,
  input  logic       WE
);

  logic [1:0] a[32], b[32], c[32], d[32];

  always_ff @(posedge WCLK) begin
    if (WE) begin
      a[ADDRD] <= DIA;
      b[ADDRD] <= DIB;
      c[ADDRD] <= DIC;
      d[ADDRD] <= DID;
    end
  end
  assign {DOA, DOB, DOC, DOD} = {a[ADDRA], b[ADDRB], c[ADDRC], d[ADDRD]};

endmodule
