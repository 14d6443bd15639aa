// Depthwise convolution, lane by lane: PE channels at a time, one tap of the window a step. A pixel takes FOLD * TAPS steps, each with a beat: for each
// tile of PE channels all its taps. Three registers in a row (weights beside the input, products, accumulator), then the threshold search when LEVELS > 1.
// An average pool is one whose weights are all 1: a single word of weights is a constant, and costs nothing.
module depthwise #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,      // channels / PE
  parameter int unsigned TAPS = 1,
  parameter int unsigned VECTORS = 1,   // pixels a frame
  parameter int unsigned CLASSES = 1,   // kinds of positions, see mvu
  parameter int unsigned COLUMNS = 1,   // pixels a row, when CLASSES > 1
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned W_WORDS = 1,   // FOLD * TAPS, or 1 when all words are the same
  parameter int unsigned ACC_BITS = 2,  // signed, holds every final sum
  parameter bit DOUBLE = 1'b0,          // see mac
  parameter bit DSP = 1'b0,
  parameter int unsigned LEVELS = 1,    // thresholds per output; 0: the output is the sum itself
  parameter int unsigned T_BITS = 2,    // of a threshold, when LEVELS > 1
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1,
  parameter bit W_BRAM = 1'b0,          // weights in block RAM instead of LUTs
  parameter WEIGHT_FILE = "",           // W_WORDS words; lane p at bit p * W_BITS
  parameter INIT_FILE = "",             // CLASSES * FOLD words; lane p at bit p * ACC_BITS; takes away what mac adds
  parameter THRESHOLD_FILE = "",        // FOLD words; see threshold_search
  parameter ROW_FILE = "",              // when CLASSES > 1: the first word of INIT_FILE for a row's and a column's class,
  parameter COLUMN_FILE = ""            // to be added, see position_base
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [PE*X_BITS-1:0]   s_tdata_i,
  input  logic                   s_tvalid_i,
  input  logic                   s_tlast_i,
  output logic                   s_tready_o,
  output logic [PE*OUT_BITS-1:0] m_tdata_o,
  output logic                   m_tvalid_o,
  output logic                   m_tlast_o,
  input  logic                   m_tready_i
);
  localparam bit BINARY = X_KIND == 0 && W_KIND == 0;
  localparam int unsigned INITS = CLASSES * FOLD;
  localparam int unsigned TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1;
  localparam int unsigned TILE_BITS = FOLD > 1 ? $clog2(FOLD) : 1;
  localparam int unsigned INIT_BITS = INITS > 1 ? $clog2(INITS) : 1;

  if (PE < 1 || FOLD < 1 || TAPS < 1 || CLASSES < 1 || COLUMNS < 1 || X_BITS < 1 || W_BITS < 1 || ACC_BITS < 1) begin : gen_bad_size
    $fatal(1, "depthwise: sizes must be at least 1");
  end
  if (VECTORS < 1 || VECTORS % COLUMNS != 0) begin : gen_bad_vectors
    $fatal(1, "depthwise: VECTORS must be a positive multiple of COLUMNS");
  end
  if (W_WORDS != 1 && W_WORDS != FOLD * TAPS) begin : gen_bad_words
    $fatal(1, "depthwise: W_WORDS must be 1 or FOLD * TAPS");
  end
  if (LEVELS == 0 && OUT_BITS != (BINARY && !DOUBLE ? ACC_BITS + 1 : ACC_BITS)) begin : gen_bad_out_bits
    $fatal(1, "depthwise: with LEVELS = 0, OUT_BITS must be ACC_BITS, plus 1 when both kinds are bipolar and not doubled");
  end

  // The steps.
  logic advance, step, first_tap, last_tap, last_tile;
  logic [TAP_BITS-1:0] tap_q;
  logic [TILE_BITS-1:0] tile_q;
  assign first_tap = tap_q == '0;
  assign last_tap  = tap_q == TAP_BITS'(TAPS - 1);
  assign last_tile = tile_q == TILE_BITS'(FOLD - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tap_q  <= '0;
      tile_q <= '0;
    end else if (step) begin
      tap_q <= last_tap ? '0 : tap_q + TAP_BITS'(1);
      if (last_tap) tile_q <= last_tile ? '0 : tile_q + TILE_BITS'(1);
    end
  end

  step_control #(.DEPTH(LEVELS > 1 ? 2 + $clog2(LEVELS + 1) : 2), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(last_tap), .last_i(last_tile), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );

  logic [PE*W_BITS-1:0] weights;
  cyclic_rom #(.WIDTH(PE * W_BITS), .DEPTH(W_WORDS), .BLOCK_RAM(W_BRAM), .FILE(WEIGHT_FILE)) i_weights (
    .clk_i, .rst_ni, .next_i(step), .word_o(weights)
  );

  logic [INIT_BITS-1:0] init_address;
  if (CLASSES > 1) begin : gen_classes
    logic [INIT_BITS-1:0] base;
    position_base #(
      .ROWS(VECTORS / COLUMNS), .COLUMNS(COLUMNS), .BITS(INIT_BITS), .ROW_FILE(ROW_FILE), .COLUMN_FILE(COLUMN_FILE)
    ) i_position (.clk_i, .rst_ni, .next_i(step && last_tap && last_tile), .base_o(base));
    assign init_address = base + INIT_BITS'(tile_q);
  end else begin : gen_one_class
    assign init_address = tile_q;
  end

  // What the accumulator's stage knows of the step whose products it adds.
  logic stepped_q, first_tap_q;
  logic [INIT_BITS-1:0] init_address_q;
  logic [TILE_BITS-1:0] product_tile_q, sum_tile_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) stepped_q <= 1'b0;
    else if (advance) stepped_q <= step;
    if (advance) begin
      first_tap_q    <= first_tap;
      init_address_q <= init_address;
      product_tile_q <= tile_q;
      sum_tile_q     <= product_tile_q;
    end
  end

  logic [PE-1:0][ACC_BITS-1:0] init, acc;
  lookup #(.WIDTH(PE * ACC_BITS), .DEPTH(INITS), .FILE(INIT_FILE)) i_inits (.addr_i(init_address_q), .word_o(init));

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    mac #(
      .SIMD(1), .X_BITS(X_BITS), .X_KIND(X_KIND), .W_BITS(W_BITS), .W_KIND(W_KIND), .ACC_BITS(ACC_BITS), .DOUBLE(DOUBLE), .DSP(DSP)
    ) i_mac (
      .clk_i, .advance_i(advance), .add_i(advance && stepped_q), .first_i(first_tap_q),
      .x_i(s_tdata_i[p*X_BITS+:X_BITS]), .w_i(weights[p*W_BITS+:W_BITS]), .init_i(init[p]), .acc_o(acc[p])
    );
  end

  activation #(
    .PE(PE), .ROWS(FOLD), .ACC_BITS(ACC_BITS), .ODD(TAPS % 2 == 1), .LEVELS(LEVELS), .T_BITS(T_BITS), .BASE(BASE), .STEP(STEP),
    .OUT_BITS(OUT_BITS), .THRESHOLD_FILE(THRESHOLD_FILE)
  ) i_activation (.clk_i, .advance_i(advance), .row_i(sum_tile_q), .acc_i(acc), .data_o(m_tdata_o));

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * X_BITS), .BEATS(TAPS * FOLD * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
