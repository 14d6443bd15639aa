// Sums of products with a DSP48E1 for each: PE lanes of SIMD elements, at least two. Up to three products of a lane are added inside of the DSP48E1s, where
// registers for factors make the later ones wait; the rest by a tree of adders with a register after each level.
// min(3, SIMD) + 1 + ceil(log2(ceil(SIMD / 3))) advancing cycles pass.
module products_dsp #(
  parameter int unsigned PE = 1,
  parameter int unsigned SIMD = 2,
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned SUM_BITS = 2
) (
  input  logic                      clk_i,
  input  logic                      advance_i,
  input  logic [SIMD*X_BITS-1:0]    x_i,   // every lane reads them
  input  logic [PE*SIMD*W_BITS-1:0] w_i,   // element (p, s) at (p * SIMD + s) * W_BITS
  output logic [PE*SUM_BITS-1:0]    sum_o  // signed
);
  localparam int unsigned CHAIN = SIMD < 3 ? SIMD : 3;
  localparam int unsigned CHAINS = (SIMD + CHAIN - 1) / CHAIN;
  localparam int unsigned LEVELS = $clog2(CHAINS);
  localparam int unsigned X_SIGNED = X_KIND == 2 ? X_BITS : X_BITS + 1;
  localparam int unsigned W_SIGNED = W_KIND == 2 ? W_BITS : W_BITS + 1;
  localparam int unsigned ALL_BITS = X_SIGNED + W_SIGNED + $clog2(CHAIN);
  localparam int unsigned CHAIN_BITS = CHAINS > 1 && ALL_BITS < SUM_BITS ? ALL_BITS : SUM_BITS;

  if (SIMD < 2) begin : gen_bad_size
    $fatal(1, "products_dsp: SIMD must be at least 2");
  end

  // Terms that are left after `level` levels of the tree.
  function automatic int unsigned terms(int unsigned level);
    terms = (CHAINS + (1 << level) - 1) >> level;
  endfunction

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [CHAINS*CHAIN_BITS-1:0] chains;
    for (genvar c = 0; c < CHAINS; c++) begin : gen_chain
      localparam int unsigned LENGTH = (c + 1) * CHAIN <= SIMD ? CHAIN : SIMD - c * CHAIN;
      /* verilator lint_off UNUSEDSIGNAL */  // more than is wanted
      logic [(LENGTH+1)*48-1:0] cascades;
      logic [LENGTH*48-1:0] sums;
      /* verilator lint_on UNUSEDSIGNAL */
      assign cascades[47:0] = '0;
      for (genvar k = 0; k < LENGTH; k++) begin : gen_product
        localparam int unsigned S = c * CHAIN + k;
        logic [24:0] a;
        logic [17:0] b;
        factors #(.X_BITS(X_BITS), .X_KIND(X_KIND), .W_BITS(W_BITS), .W_KIND(W_KIND)) i_factors (
          .x_i(x_i[S*X_BITS+:X_BITS]), .w_i(w_i[(p*SIMD+S)*W_BITS+:W_BITS]), .a_o(a), .b_o(b)
        );
        multiply_add #(.REGISTERS(CHAIN - LENGTH + k), .ADDED(k == 0 ? 0 : 1)) i_product (
          .clk_i, .advance_i, .adds_i(advance_i), .a_i(a), .b_i(b), .first_i(1'b1), .c_i('0), .p_i(cascades[k*48+:48]),
          .p_o(sums[k*48+:48]), .cascade_o(cascades[(k+1)*48+:48])
        );
      end
      assign chains[c*CHAIN_BITS+:CHAIN_BITS] = sums[(LENGTH-1)*48+:CHAIN_BITS];
    end
    for (genvar l = 0; l <= LEVELS; l++) begin : gen_level
      // A level adds a bit, up to those that are wanted, which the last has all of.
      localparam int unsigned BITS = l < LEVELS && CHAIN_BITS + l < SUM_BITS ? CHAIN_BITS + l : SUM_BITS;
      logic [terms(l)*BITS-1:0] sums;
      if (l == 0) begin : gen_chains
        assign sums = chains;
      end else begin : gen_sums
        localparam int unsigned BEFORE = CHAIN_BITS + l - 1 < SUM_BITS ? CHAIN_BITS + l - 1 : SUM_BITS;
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
    assign sum_o[p*SUM_BITS+:SUM_BITS] = gen_level[LEVELS].sums;
  end
endmodule
