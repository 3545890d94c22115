# SPDX-License-Identifier: Apache-2.0
"""The benches of the FP4 multiplier cells and of the dot units made of them.

They take recoded operands, so each stands in a small top module with the recoders before it.
"""

import json

from sim.runner import Bench

__all__ = ["CELL_BENCHES"]

TARGETS = {"ultrascale": "TargetUltrascale", "series7": "TargetSeries7"}  # fpq_bank_pkg::target_e
A_BITS = {"fp4": (6, 13), "e2m1": (4, 12)}  # of a code with its pass, and recoded; by kind of cell
W_BITS = {"fp4": 13, "e2m1": 8}


def _cell(kind: str) -> Bench:
    (code, a), w = A_BITS[kind], W_BITS[kind]
    top = f"fpq_bench_cell_{kind}"
    text = f"""module {top} (
  input wire clk_i, input wire [{code - 1}:0] a_i, input wire [3:0] w_i, output wire [7:0] product_o, output wire one_o
);
  wire [{a - 1}:0] a;
  wire [{w - 1}:0] w;
  fpq_recode_a_{kind} u_a (.clk_i(clk_i), .code_i(a_i), .classes_o(a));
  fpq_recode_w_{kind} u_w (.clk_i(clk_i), .code_i(w_i), .classes_o(w));
  fpq_product_{kind} u_product (.a_i(a), .b_i(w), .product_o(product_o), .one_o(one_o));
endmodule
"""
    return Bench(f"cell-{kind}", top, "test_cell", {}, "verilator", {"KIND": kind}, text=text)


def _dot(unit: str, kind: str, target: str, lanes: int) -> Bench:
    (code, a), w = A_BITS[kind], W_BITS[kind]
    top = f"fpq_bench_{unit}_{kind}_{target}_{lanes}"
    text = f"""module {top} (
  input wire clk_i, input wire valid_i, input wire first_i, input wire keep_i,
  input wire [{lanes * code - 1}:0] a_i, input wire [{lanes * 4 - 1}:0] w_i, output wire [21:0] sum_o
);
  wire [{lanes * a - 1}:0] a;
  wire [{lanes * w - 1}:0] w;
  genvar l;
  generate
    for (l = 0; l < {lanes}; l = l + 1) begin : gen_lanes
      fpq_recode_a_{kind} u_a (.clk_i(clk_i), .code_i(a_i[l*{code} +: {code}]), .classes_o(a[l*{a} +: {a}]));
      fpq_recode_w_{kind} u_w (.clk_i(clk_i), .code_i(w_i[l*4 +: 4]), .classes_o(w[l*{w} +: {w}]));
    end
  endgenerate
  fpq_{unit} #(
    .Target(fpq_bank_pkg::{TARGETS[target]}), .Lanes({lanes}), .Dual({int(kind == "fp4")}), .ABits({a}), .WBits({w})
  ) u_dot (
    .clk_i(clk_i), .valid_i(valid_i), .first_i(first_i), .keep_i(keep_i), .a_i(a), .w_i(w), .sum_o(sum_o)
  );
endmodule
"""
    environment = {"SHAPE": json.dumps({"unit": unit, "kind": kind, "lanes": lanes})}
    name = f"{unit.replace('_', '-')}-{kind}-{target}-{lanes}"
    return Bench(name, top, "test_dot_fp4", {}, "verilator", environment, text=text)


CELL_BENCHES = [
    _cell("fp4"),
    _cell("e2m1"),
    _dot("dot_fp4", "fp4", "series7", 32),
    _dot("dot_fp4", "e2m1", "ultrascale", 128),
    _dot("dot_fp4_dsp", "fp4", "ultrascale", 64),
    _dot("dot_fp4_dsp", "e2m1", "ultrascale", 32),
]
