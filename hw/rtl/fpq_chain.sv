// SPDX-License-Identifier: Apache-2.0
// A carry chain of the device: sum = propagate ^ carries, where carry i + 1 is carry i if propagate i, else generate i.

module fpq_chain #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Width = 8
) (
  input  logic             carry_i,
  input  logic [Width-1:0] propagate_i,
  input  logic [Width-1:0] generate_i,
  output logic [Width-1:0] sum_o,
  output logic             carry_o
);

  localparam int Unit = Target == fpq_bank_pkg::TargetSeries7 ? 4 : 8;
  localparam int Units = (Width + Unit - 1) / Unit;

  logic [Units*Unit-1:0] propagate, generate_bits, sum, carry;

  assign propagate     = (Units * Unit)'(propagate_i);
  assign generate_bits = (Units * Unit)'(generate_i);
  assign sum_o         = sum[Width-1:0];
  assign carry_o       = carry[Width-1];

  for (genvar i = 0; i < Units; i++) begin : gen_units
    if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_carry8
      CARRY8 u_carry (
        .CI    (i == 0 ? carry_i : carry[(i == 0 ? 1 : i)*Unit-1]),
        .CI_TOP(1'b0),
        .DI    (generate_bits[i*Unit+:Unit]),
        .S     (propagate[i*Unit+:Unit]),
        .O     (sum[i*Unit+:Unit]),
        .CO    (carry[i*Unit+:Unit])
      );
    end else if (Target == fpq_bank_pkg::TargetSeries7) begin : gen_carry4
      CARRY4 u_carry (
        .CI    (i == 0 ? 1'b0 : carry[(i == 0 ? 1 : i)*Unit-1]),
        .CYINIT(i == 0 ? carry_i : 1'b0),
        .DI    (generate_bits[i*Unit+:Unit]),
        .S     (propagate[i*Unit+:Unit]),
        .O     (sum[i*Unit+:Unit]),
        .CO    (carry[i*Unit+:Unit])
      );
    end else begin : gen_generic
      for (genvar j = i * Unit; j < (i + 1) * Unit; j++) begin : gen_bits
        logic carry_in;
        assign carry_in = j == 0 ? carry_i : carry[j == 0 ? 0 : j-1];
        assign sum[j]   = propagate[j] ^ carry_in;
        assign carry[j] = propagate[j] ? carry_in : generate_bits[j];
      end
    end
  end

endmodule
