// The signed dot product of two vectors whose elements are unsigned, signed or bipolar, modulo 2**SUM_BITS. Combinational.
module dot_product #(
  parameter int unsigned SIMD = 1,      // elements
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar (a bit, 1 means +1), 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned SUM_BITS = 3
) (
  input  logic        [SIMD*X_BITS-1:0] x_i,
  input  logic        [SIMD*W_BITS-1:0] w_i,
  output logic signed [SUM_BITS-1:0]    sum_o
);
  // One bit more than stored holds every kind as a signed number.
  logic signed [SIMD-1:0][X_BITS:0] x;
  logic signed [SIMD-1:0][W_BITS:0] w;

  for (genvar s = 0; s < SIMD; s++) begin : gen_element
    if (X_KIND == 0) begin : gen_x_bipolar
      assign x[s] = {!x_i[s], 1'b1};
    end else begin : gen_x_integer
      assign x[s] = {X_KIND == 2 && x_i[s*X_BITS+X_BITS-1], x_i[s*X_BITS+:X_BITS]};
    end
    if (W_KIND == 0) begin : gen_w_bipolar
      assign w[s] = {!w_i[s], 1'b1};
    end else begin : gen_w_integer
      assign w[s] = {W_KIND == 2 && w_i[s*W_BITS+W_BITS-1], w_i[s*W_BITS+:W_BITS]};
    end
  end

  always_comb begin
    sum_o = '0;
    for (int s = 0; s < SIMD; s++) sum_o = sum_o + SUM_BITS'($signed(x[s])) * SUM_BITS'($signed(w[s]));
  end
endmodule
