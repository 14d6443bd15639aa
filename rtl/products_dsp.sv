// Sums of products with a DSP48 for each: PE lanes of SIMD elements. A register behind the multipliers, then an adder tree with a register after each
// level, so that 1 + ceil(log2(SIMD)) advancing cycles pass. With SIMD = 1 the products themselves leave, and the accumulator behind goes into the DSP48.
module products_dsp #(
  parameter int unsigned PE = 1,
  parameter int unsigned SIMD = 1,
  parameter bit SHARED = 1'b1,          // every lane reads the same inputs; else lane p reads those of its own
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned PRODUCT_BITS = 2,
  parameter int unsigned SUM_BITS = 2
) (
  input  logic                                 clk_i,
  input  logic                                 advance_i,
  input  logic [(SHARED?1:PE)*SIMD*X_BITS-1:0] x_i,
  input  logic [PE*SIMD*W_BITS-1:0]            w_i,   // element (p, s) at (p * SIMD + s) * W_BITS
  output logic [PE*SUM_BITS-1:0]               sum_o  // signed
);
  // As signed numbers, in no more bits than they need: yosys moves the accumulator into the DSP48 only if it adds the whole of its product.
  localparam int unsigned X_SIGNED = X_KIND == 2 ? X_BITS : X_BITS + 1;
  localparam int unsigned W_SIGNED = W_KIND == 2 ? W_BITS : W_BITS + 1;
  localparam int unsigned LEVELS = $clog2(SIMD);

  if (X_KIND > 2 || W_KIND > 2 || (X_KIND == 0 && X_BITS != 1) || (W_KIND == 0 && W_BITS != 1)) begin : gen_bad_kind
    $fatal(1, "products_dsp: a kind is 0 (bipolar, of 1 bit), 1 (unsigned) or 2 (signed)");
  end
  if (X_KIND == 0 && W_KIND == 0) begin : gen_bad_style
    $fatal(1, "products_dsp: products of two bipolar numbers are no business of a DSP48");
  end

  // Terms that are left after `level` levels of the tree.
  function automatic int unsigned terms(int unsigned level);
    terms = (SIMD + (1 << level) - 1) >> level;
  endfunction

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [SIMD*PRODUCT_BITS-1:0] products;
    for (genvar s = 0; s < SIMD; s++) begin : gen_element
      localparam int unsigned FROM = (SHARED ? s : p * SIMD + s) * X_BITS;
      logic signed [X_SIGNED-1:0] x;
      logic signed [W_SIGNED-1:0] w;
      widen #(.BITS(X_BITS), .KIND(X_KIND), .OUT_BITS(X_SIGNED)) i_x (.code_i(x_i[FROM+:X_BITS]), .code_o(x));
      widen #(.BITS(W_BITS), .KIND(W_KIND), .OUT_BITS(W_SIGNED)) i_w (.code_i(w_i[(p*SIMD+s)*W_BITS+:W_BITS]), .code_o(w));
      logic signed [PRODUCT_BITS-1:0] product_q;
      always_ff @(posedge clk_i) if (advance_i) product_q <= PRODUCT_BITS'(x * w);
      assign products[s*PRODUCT_BITS+:PRODUCT_BITS] = product_q;
    end
    for (genvar l = 0; l <= LEVELS; l++) begin : gen_level
      // A level adds a bit, up to those that are wanted.
      localparam int unsigned BITS = PRODUCT_BITS + l < SUM_BITS ? PRODUCT_BITS + l : SUM_BITS;
      logic [terms(l)*BITS-1:0] sums;
      if (l == 0) begin : gen_products
        assign sums = products;
      end else begin : gen_sums
        localparam int unsigned BEFORE = PRODUCT_BITS + l - 1 < SUM_BITS ? PRODUCT_BITS + l - 1 : SUM_BITS;
        for (genvar t = 0; t < terms(l); t++) begin : gen_term
          logic signed [BITS-1:0] term_q;
          if (2 * t + 1 < terms(l - 1)) begin : gen_pair
            always_ff @(posedge clk_i) if (advance_i) term_q <= BITS'($signed(gen_level[l-1].sums[2*t*BEFORE+:BEFORE]))
                                                              + BITS'($signed(gen_level[l-1].sums[(2*t+1)*BEFORE+:BEFORE]));
          end else begin : gen_single
            always_ff @(posedge clk_i) if (advance_i) term_q <= BITS'($signed(gen_level[l-1].sums[2*t*BEFORE+:BEFORE]));
          end
          assign sums[t*BITS+:BITS] = term_q;
        end
      end
    end
    assign sum_o[p*SUM_BITS+:SUM_BITS] = SUM_BITS'($signed(gen_level[LEVELS].sums));
  end
endmodule
