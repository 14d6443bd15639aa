// The dot product of two vectors whose elements are unsigned, signed or bipolar, bit plane by bit plane (Zhou et al., "DoReFa-Net", 2016), up to a constant
// that depends on the weights alone and that the accumulator's initial value takes away. Combinational; modulo 2**SUM_BITS.
// On 7-series (HWQNN_XC7) each product of an input bit and a weight bit is one bit of a heap: no sign extension, no negation, no multiplier.
// In terms of numbers, with
//   x' = x for unsigned x, x + 2**(X_BITS-1) for signed x (its top bit inverted), x + 1 for bipolar x (its bit, doubled), and max the greatest x',
// an element adds
//   w * x'                            unsigned w
//   w * x' + 2**(W_BITS-1) * max      signed w (the inverted products of its top bit)
//   w > 0 ? x' : max - x'             bipolar w (XNOR in place of AND)
module dot_product #(
  parameter int unsigned SIMD = 1,      // elements
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 1,    // 0 bipolar (a bit, 1 means +1), 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,    // not bipolar together with X_KIND: that is xnor_popcount
  parameter int unsigned SUM_BITS = 3
) (
  input  logic [SIMD*X_BITS-1:0] x_i,
  input  logic [SIMD*W_BITS-1:0] w_i,
  output logic [SUM_BITS-1:0]    sum_o
);
  localparam int unsigned SHIFT = X_KIND == 0 ? 1 : 0;

  if (X_KIND == 0 && W_KIND == 0) begin : gen_bad_kind
    $fatal(1, "dot_product: two bipolar vectors are xnor_popcount's");
  end

`ifdef HWQNN_XC7
  typedef logic [SUM_BITS*16-1:0] heights_t;
  localparam int unsigned TRIPLES = SIMD / 3;
  localparam int unsigned REST = SIMD % 3;

  // Planes (m, j) of input bit m and weight bit j with weight 2**c, those with an input bit below m.
  function automatic int unsigned planes(int c, int m);
    planes = 0;
    for (int i = 0; i < m; i++) if (c - int'(SHIFT) - i >= 0 && c - int'(SHIFT) - i < W_BITS) planes = planes + 1;
  endfunction
  // Column c holds its planes' sums and rests, then the carries from the column below.
  function automatic heights_t heights();
    for (int c = 0; c < SUM_BITS; c++) heights[c*16+:16] = 16'(planes(c, X_BITS) * (TRIPLES + REST) + planes(c - 1, X_BITS) * TRIPLES);
  endfunction
  localparam heights_t HEIGHTS = heights();
  function automatic int unsigned bits_below(int c);
    bits_below = 0;
    for (int i = 0; i < c; i++) bits_below = bits_below + 32'(HEIGHTS[i*16+:16]);
  endfunction
  localparam int unsigned BITS = bits_below(SUM_BITS);

  logic [BITS-1:0] heap;
  for (genvar m = 0; m < X_BITS; m++) begin : gen_x_plane
    for (genvar j = 0; j < W_BITS; j++) begin : gen_w_plane
      localparam int unsigned COLUMN = m + j + SHIFT;
      localparam bit INVERT_A = X_KIND == 2 && m == X_BITS - 1;
      localparam bit INVERT = W_KIND == 2 && j == W_BITS - 1;
      if (COLUMN < SUM_BITS) begin : gen_plane
        localparam int unsigned TO = bits_below(COLUMN) + planes(COLUMN, m) * (TRIPLES + REST);
        logic [SIMD-1:0] x, w;
        for (genvar s = 0; s < SIMD; s++) begin : gen_element
          assign x[s] = x_i[s*X_BITS+m];
          assign w[s] = w_i[s*W_BITS+j];
        end
        for (genvar t = 0; t < TRIPLES; t++) begin : gen_triple
          /* verilator lint_off UNUSEDSIGNAL */  // a carry out of the last column
          logic [1:0] count;
          /* verilator lint_on UNUSEDSIGNAL */
          product_counter_3_2 #(.AGREE(W_KIND == 0), .INVERT_A(INVERT_A), .INVERT(INVERT)) i_counter (
            .a_i(x[3*t+:3]), .b_i(w[3*t+:3]), .count_o(count)
          );
          assign heap[TO+t] = count[0];
          if (COLUMN + 1 < SUM_BITS) begin : gen_carry
            localparam int unsigned CARRY = bits_below(COLUMN + 1) + planes(COLUMN + 1, X_BITS) * (TRIPLES + REST) + planes(COLUMN, m) * TRIPLES;
            assign heap[CARRY+t] = count[1];
          end
        end
        for (genvar r = 0; r < REST; r++) begin : gen_rest
          logic a;
          assign a = x[3*TRIPLES+r] ^ INVERT_A;
          assign heap[TO+TRIPLES+r] = (W_KIND == 0 ? a ~^ w[3*TRIPLES+r] : a & w[3*TRIPLES+r]) ^ INVERT;
        end
      end
    end
  end
  bit_heap #(.COLUMNS(SUM_BITS), .HEIGHTS(HEIGHTS), .BITS(BITS)) i_heap (.bits_i(heap), .sum_o);
`else
  localparam logic [X_BITS-1:0] X_TOP = X_KIND == 2 ? X_BITS'(1) << (X_BITS - 1) : '0;
  logic [X_BITS-1:0] x, products;  // of one weight bit with every bit of x
  always_comb begin
    sum_o = '0;
    for (int unsigned s = 0; s < SIMD; s++) begin
      x = x_i[s*X_BITS+:X_BITS] ^ X_TOP;
      for (int unsigned j = 0; j < W_BITS; j++) begin
        if (W_KIND == 0) products = x ~^ {X_BITS{w_i[s*W_BITS+j]}};
        else products = x & {X_BITS{w_i[s*W_BITS+j]}};
        if (W_KIND == 2 && j == W_BITS - 1) products = ~products;
        sum_o = sum_o + (SUM_BITS'(products) << (SHIFT + j));
      end
    end
  end
`endif
endmodule
