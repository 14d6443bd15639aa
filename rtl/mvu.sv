// Matrix-vector unit: PE output channels of SIMD inputs a step. A vector takes NF * SF steps: for each of the NF groups of outputs, once through the
// vector in SF pieces. The first pass takes the pieces from the stream and keeps them for the later ones. Three registers in a row (weights beside the
// input, products, accumulator), then the threshold search when LEVELS > 1. A convolution is a vector per output pixel and group; its GROUPS matrices
// take turns, and the accumulator starts from what the pixel's position says, where some of the window lies outside the map (CLASSES kinds of positions).
module mvu #(
  parameter int unsigned PE = 1,
  parameter int unsigned SIMD = 1,
  parameter int unsigned NF = 1,        // outputs of a vector / PE
  parameter int unsigned SF = 1,        // inputs of a vector / SIMD
  parameter int unsigned GROUPS = 1,
  parameter int unsigned VECTORS = 1,   // a frame: pixels * GROUPS
  parameter int unsigned CLASSES = 1,
  parameter int unsigned COLUMNS = 1,   // pixels a row, when CLASSES > 1
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned ACC_BITS = 2,  // signed, holds every final sum
  parameter bit DOUBLE = 1'b0,          // see mac
  parameter bit DSP = 1'b0,
  parameter int unsigned LEVELS = 1,    // thresholds per output; 0: the output is the sum itself
  parameter int unsigned T_BITS = 2,    // of a threshold, when LEVELS > 1
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1,
  parameter bit W_BRAM = 1'b0,          // weights in block RAM instead of LUTs
  parameter WEIGHT_FILE = "",           // GROUPS * NF * SF words; element (p, s) at bit (p * SIMD + s) * W_BITS
  parameter INIT_FILE = "",             // CLASSES * GROUPS * NF words; lane p at bit p * ACC_BITS; takes away what mac adds
  parameter THRESHOLD_FILE = "",        // GROUPS * NF words; see threshold_search
  parameter ROW_FILE = "",              // when CLASSES > 1: the first word of INIT_FILE for a row's and a column's class,
  parameter COLUMN_FILE = ""            // to be added, see position_base
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [SIMD*X_BITS-1:0] s_tdata_i,
  input  logic                   s_tvalid_i,
  input  logic                   s_tlast_i,
  output logic                   s_tready_o,
  output logic [PE*OUT_BITS-1:0] m_tdata_o,
  output logic                   m_tvalid_o,
  output logic                   m_tlast_o,
  input  logic                   m_tready_i
);
  localparam bit BINARY = X_KIND == 0 && W_KIND == 0;
  localparam int unsigned SETS = GROUPS * NF;
  localparam int unsigned INITS = CLASSES * SETS;
  localparam int unsigned SF_BITS = SF > 1 ? $clog2(SF) : 1;
  localparam int unsigned NF_BITS = NF > 1 ? $clog2(NF) : 1;
  localparam int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1;
  localparam int unsigned INIT_BITS = INITS > 1 ? $clog2(INITS) : 1;

  if (PE < 1 || SIMD < 1 || NF < 1 || SF < 1 || GROUPS < 1 || CLASSES < 1 || COLUMNS < 1 || X_BITS < 1 || W_BITS < 1 || ACC_BITS < 1) begin : gen_bad_size
    $fatal(1, "mvu: sizes must be at least 1");
  end
  if (VECTORS < 1 || VECTORS % (GROUPS * COLUMNS) != 0) begin : gen_bad_vectors
    $fatal(1, "mvu: VECTORS must be a positive multiple of GROUPS * COLUMNS");
  end
  if (LEVELS == 0 && OUT_BITS != (BINARY && !DOUBLE ? ACC_BITS + 1 : ACC_BITS)) begin : gen_bad_out_bits
    $fatal(1, "mvu: with LEVELS = 0, OUT_BITS must be ACC_BITS, plus 1 when both kinds are bipolar and not doubled");
  end

  // The steps.
  logic advance, step, first_pass, last_pass, first_piece, last_piece;
  logic [SF_BITS-1:0] sf_q;
  logic [NF_BITS-1:0] nf_q;
  assign first_pass  = nf_q == '0;
  assign last_pass   = nf_q == NF_BITS'(NF - 1);
  assign first_piece = sf_q == '0;
  assign last_piece  = sf_q == SF_BITS'(SF - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sf_q <= '0;
      nf_q <= '0;
    end else if (step) begin
      sf_q <= last_piece ? '0 : sf_q + SF_BITS'(1);
      if (last_piece) nf_q <= last_pass ? '0 : nf_q + NF_BITS'(1);
    end
  end

  // Which outputs of the whole matrix this pass computes.
  logic [SET_BITS-1:0] set;
  if (GROUPS > 1) begin : gen_groups
    logic [SET_BITS-1:0] set_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) set_q <= '0;
      else if (step && last_piece) set_q <= set_q == SET_BITS'(SETS - 1) ? '0 : set_q + SET_BITS'(1);
    end
    assign set = set_q;
  end else begin : gen_one_group
    assign set = nf_q;
  end

  step_control #(.DEPTH(LEVELS > 1 ? 2 + $clog2(LEVELS + 1) : 2), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(first_pass), .give_i(last_piece), .last_i(last_pass), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );

  // The input piece of this step, from the stream or from the first pass. The buffer reads without a clock: LUT RAM.
  logic [SIMD*X_BITS-1:0] x;
  if (NF > 1) begin : gen_buffer
    (* ram_style = "distributed" *) logic [SIMD*X_BITS-1:0] pieces[SF];
    logic [SIMD*X_BITS-1:0] kept;
    if (SF > 1) begin : gen_pieces
      always_ff @(posedge clk_i) if (step && first_pass) pieces[sf_q] <= s_tdata_i;
      assign kept = pieces[sf_q];
    end else begin : gen_one_piece
      always_ff @(posedge clk_i) if (step && first_pass) pieces[0] <= s_tdata_i;
      assign kept = pieces[0];
    end
    mux2 #(.WIDTH(SIMD * X_BITS)) i_mux (.select_i(first_pass), .zero_i(kept), .one_i(s_tdata_i), .word_o(x));
  end else begin : gen_no_buffer
    assign x = s_tdata_i;
  end

  logic [PE*SIMD*W_BITS-1:0] weights;
  cyclic_rom #(.WIDTH(PE * SIMD * W_BITS), .DEPTH(SETS * SF), .BLOCK_RAM(W_BRAM), .FILE(WEIGHT_FILE)) i_weights (
    .clk_i, .rst_ni, .next_i(step), .word_o(weights)
  );

  logic [INIT_BITS-1:0] init_address;
  if (CLASSES > 1) begin : gen_classes
    logic [INIT_BITS-1:0] base;
    position_base #(
      .ROWS(VECTORS / GROUPS / COLUMNS), .COLUMNS(COLUMNS), .BITS(INIT_BITS), .ROW_FILE(ROW_FILE), .COLUMN_FILE(COLUMN_FILE)
    ) i_position (.clk_i, .rst_ni, .next_i(step && last_piece && set == SET_BITS'(SETS - 1)), .base_o(base));
    assign init_address = base + INIT_BITS'(set);
  end else begin : gen_one_class
    assign init_address = set;
  end

  // What the accumulator's stage knows of the step whose products it adds.
  logic stepped_q, first_piece_q;
  logic [INIT_BITS-1:0] init_address_q;
  logic [SET_BITS-1:0] product_set_q, sum_set_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) stepped_q <= 1'b0;
    else if (advance) stepped_q <= step;
    if (advance) begin
      first_piece_q  <= first_piece;
      init_address_q <= init_address;
      product_set_q  <= set;
      sum_set_q      <= product_set_q;
    end
  end

  logic [PE-1:0][ACC_BITS-1:0] init, acc;
  lookup #(.WIDTH(PE * ACC_BITS), .DEPTH(INITS), .FILE(INIT_FILE)) i_inits (.addr_i(init_address_q), .word_o(init));

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    mac #(
      .SIMD(SIMD), .X_BITS(X_BITS), .X_KIND(X_KIND), .W_BITS(W_BITS), .W_KIND(W_KIND), .ACC_BITS(ACC_BITS), .DOUBLE(DOUBLE), .DSP(DSP)
    ) i_mac (
      .clk_i, .advance_i(advance), .add_i(advance && stepped_q), .first_i(first_piece_q),
      .x_i(x), .w_i(weights[p*SIMD*W_BITS+:SIMD*W_BITS]), .init_i(init[p]), .acc_o(acc[p])
    );
  end

  activation #(
    .PE(PE), .ROWS(SETS), .ACC_BITS(ACC_BITS), .ODD(SIMD * SF % 2 == 1), .LEVELS(LEVELS), .T_BITS(T_BITS), .BASE(BASE), .STEP(STEP),
    .OUT_BITS(OUT_BITS), .THRESHOLD_FILE(THRESHOLD_FILE)
  ) i_activation (.clk_i, .advance_i(advance), .row_i(sum_set_q), .acc_i(acc), .data_o(m_tdata_o));

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(SIMD * X_BITS), .BEATS(SF * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
