// An input and a weight as the factors of a DSP48E1, the wider one for its wider port.
module factors #(
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0
) (
  input  logic [X_BITS-1:0] x_i,
  input  logic [W_BITS-1:0] w_i,
  output logic [24:0]       a_o,      // signed, both
  output logic [17:0]       b_o
);
  localparam int unsigned X_SIGNED = X_KIND == 2 ? X_BITS : X_BITS + 1;
  localparam int unsigned W_SIGNED = W_KIND == 2 ? W_BITS : W_BITS + 1;
  localparam bit X_IS_A = X_SIGNED > W_SIGNED;

  if (X_KIND > 2 || W_KIND > 2 || (X_KIND == 0 && X_BITS != 1) || (W_KIND == 0 && W_BITS != 1)) begin : gen_bad_kind
    $fatal(1, "factors: a kind is 0 (bipolar, of 1 bit), 1 (unsigned) or 2 (signed)");
  end
  if ((X_IS_A ? X_SIGNED : W_SIGNED) > 25 || (X_IS_A ? W_SIGNED : X_SIGNED) > 18) begin : gen_bad_width
    $fatal(1, "factors: a DSP48E1 multiplies 25 and 18 bits");
  end

  logic [X_SIGNED-1:0] x;
  logic [W_SIGNED-1:0] w;
  widen #(.BITS(X_BITS), .KIND(X_KIND), .OUT_BITS(X_SIGNED)) i_x (.code_i(x_i), .code_o(x));
  widen #(.BITS(W_BITS), .KIND(W_KIND), .OUT_BITS(W_SIGNED)) i_w (.code_i(w_i), .code_o(w));
  assign a_o = X_IS_A ? 25'($signed(x)) : 25'($signed(w));
  assign b_o = X_IS_A ? 18'($signed(w)) : 18'($signed(x));
endmodule
