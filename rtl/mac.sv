// One output's running sum: each step adds SIMD products. Two registers in a row, products and sum, so a step's dot product reaches acc_o two cycles later.
// The arithmetic is modulo 2**ACC_BITS, which two's complement forgives as long as the final value fits. What each style adds beyond the sum of w * x
// is the business of the initial value: nothing with DSP; the constants of dot_product; or, both kinds bipolar, the number of agreements p counts for
// the sum 2p - N (DOUBLE: 2p itself is added).
module mac #(
  parameter int unsigned SIMD = 1,
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned ACC_BITS = 2,
  parameter bit DOUBLE = 1'b0,
  parameter bit DSP = 1'b0              // a multiplier for each product, and a DSP48's accumulator when SIMD = 1; else bit planes
) (
  input  logic                   clk_i,
  input  logic                   advance_i,  // the products load
  input  logic                   add_i,      // the sum loads, from the products of the cycle before
  input  logic                   first_i,    // ... starting at init_i
  input  logic [SIMD*X_BITS-1:0] x_i,
  input  logic [SIMD*W_BITS-1:0] w_i,
  input  logic [ACC_BITS-1:0]    init_i,
  output logic [ACC_BITS-1:0]    acc_o
);
  localparam bit BINARY = X_KIND == 0 && W_KIND == 0;

  if (X_KIND > 2 || W_KIND > 2 || (X_KIND == 0 && X_BITS != 1) || (W_KIND == 0 && W_BITS != 1)) begin : gen_bad_kind
    $fatal(1, "mac: a kind is 0 (bipolar, of 1 bit), 1 (unsigned) or 2 (signed)");
  end
  if (DSP ? BINARY : DOUBLE && !BINARY) begin : gen_bad_style
    $fatal(1, "mac: DSP is not for two bipolar kinds, and DOUBLE for nothing else");
  end

  // One LUT a bit: multiplexer and adder share it, because the other operand is a register.
  logic [ACC_BITS-1:0] acc_q, base, sum;
  assign base = first_i ? init_i : acc_q;
  always_ff @(posedge clk_i) if (add_i) acc_q <= base + sum;
  assign acc_o = acc_q;

  if (DSP) begin : gen_dsp
    // As signed numbers, in no more bits than they need: yosys moves the accumulator into the DSP48 only if it adds the whole of its product.
    localparam int unsigned X_SIGNED = X_KIND == 2 ? X_BITS : X_BITS + 1;
    localparam int unsigned W_SIGNED = W_KIND == 2 ? W_BITS : W_BITS + 1;
    localparam int unsigned FULL_BITS = X_SIGNED + W_SIGNED;
    localparam int unsigned PRODUCT_BITS = FULL_BITS < ACC_BITS ? FULL_BITS : ACC_BITS;
    logic [SIMD*PRODUCT_BITS-1:0] products;
    for (genvar s = 0; s < SIMD; s++) begin : gen_element
      logic signed [X_SIGNED-1:0] x;
      logic signed [W_SIGNED-1:0] w;
      if (X_KIND == 0) begin : gen_x_bipolar
        assign x = {!x_i[s], 1'b1};
      end else if (X_KIND == 1) begin : gen_x_unsigned
        assign x = {1'b0, x_i[s*X_BITS+:X_BITS]};
      end else begin : gen_x_signed
        assign x = x_i[s*X_BITS+:X_BITS];
      end
      if (W_KIND == 0) begin : gen_w_bipolar
        assign w = {!w_i[s], 1'b1};
      end else if (W_KIND == 1) begin : gen_w_unsigned
        assign w = {1'b0, w_i[s*W_BITS+:W_BITS]};
      end else begin : gen_w_signed
        assign w = w_i[s*W_BITS+:W_BITS];
      end
      logic signed [PRODUCT_BITS-1:0] product_q;
      always_ff @(posedge clk_i) if (advance_i) product_q <= PRODUCT_BITS'(x * w);
      assign products[s*PRODUCT_BITS+:PRODUCT_BITS] = product_q;
    end
    always_comb begin
      sum = '0;
      for (int s = 0; s < SIMD; s++) sum = sum + ACC_BITS'($signed(products[s*PRODUCT_BITS+:PRODUCT_BITS]));
    end
  end else begin : gen_planes
    // The greatest sum of a step, see dot_product; unsigned.
    localparam int unsigned X_MAX = X_KIND == 0 ? 2 : (1 << X_BITS) - 1;
    localparam int unsigned W_MAX = W_KIND == 0 ? 1 : (1 << W_BITS) - 1;
    localparam int unsigned FULL_BITS = $clog2(SIMD * (BINARY ? 1 : X_MAX * W_MAX) + 1);
    localparam int unsigned DOT_BITS = FULL_BITS < ACC_BITS ? FULL_BITS : ACC_BITS;
    logic [DOT_BITS-1:0] dot, dot_q;
    if (BINARY) begin : gen_binary
      logic [$clog2(SIMD+1)-1:0] count;
      xnor_popcount #(.SIZE(SIMD)) i_count (.a_i(x_i), .b_i(w_i), .count_o(count));
      assign dot = DOT_BITS'(count);
    end else begin : gen_integer
      dot_product #(
        .SIMD(SIMD), .X_BITS(X_BITS), .X_KIND(X_KIND), .W_BITS(W_BITS), .W_KIND(W_KIND), .SUM_BITS(DOT_BITS)
      ) i_dot (.x_i, .w_i, .sum_o(dot));
    end
    always_ff @(posedge clk_i) if (advance_i) dot_q <= dot;
    assign sum = DOUBLE ? ACC_BITS'(dot_q) << 1 : ACC_BITS'(dot_q);
  end
endmodule
