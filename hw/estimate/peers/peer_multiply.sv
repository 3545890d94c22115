// SPDX-License-Identifier: Apache-2.0
// What a plain description multiplies with: `*` of integers; or decode both magnitudes, `*`, then the sign.

module peer_multiply #(
  parameter int Bits = 4,
  parameter int ExponentBits = 0,  // 0: the codes are two's complement integers
  localparam int MantissaBits = Bits - 1 - ExponentBits,
  localparam int Width = ExponentBits == 0 ? Bits : MantissaBits + 2 ** ExponentBits,
  // Of e2m1 144 = 12 * 12, of e2m3 3600 = 60 * 60; integers are symmetric or not.
  localparam int ProductWidth = 2 * Width - (ExponentBits == 0 ? 0 : 1)
) (
  input  logic [Bits-1:0]                a_i,
  input  logic [Bits-1:0]                w_i,
  output logic signed [ProductWidth-1:0] product_o
);

  if (ExponentBits == 0) begin : gen_integer
    assign product_o = $signed(a_i) * $signed(w_i);
  end else begin : gen_float
    function automatic logic [Width-2:0] magnitude(logic [Bits-1:0] code);
      automatic logic [ExponentBits-1:0] exponent = code[MantissaBits+:ExponentBits];
      automatic logic [Width-2:0] mantissa = (Width - 1)'({exponent != '0, code[MantissaBits-1:0]});
      return exponent == '0 ? mantissa : mantissa << (exponent - 1'b1);
    endfunction

    logic [ProductWidth-2:0] product;

    assign product   = (ProductWidth - 1)'(magnitude(a_i)) * (ProductWidth - 1)'(magnitude(w_i));
    assign product_o = a_i[Bits-1] ^ w_i[Bits-1] ? -$signed({1'b0, product}) : $signed({1'b0, product});
  end

endmodule
