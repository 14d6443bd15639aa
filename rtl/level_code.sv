// The code of level n: the low OUT_BITS of BASE + STEP * n. Constant parameters make it wires or a small adder.
module level_code #(
  parameter int unsigned N_BITS = 1,
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1
) (
  input  logic [N_BITS-1:0]   n_i,
  output logic [OUT_BITS-1:0] code_o
);
  assign code_o = OUT_BITS'(BASE + STEP * $signed(32'(n_i)));
endmodule
