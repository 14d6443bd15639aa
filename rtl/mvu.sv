// Matrix-vector unit: PE output channels of SIMD inputs a step. A frame is NF * SF steps: for each of the NF groups of outputs, once through the input
// vector in SF pieces. The first pass takes the pieces from the stream and keeps them for the later ones. Three registers in a row (weights beside the
// input, dot product, accumulator), then the threshold search when LEVELS > 1. With LEVELS = 1 the initial value of the accumulator carries the negated
// threshold, so the output bit is its sign and costs nothing.
module mvu #(
  parameter int unsigned PE = 1,
  parameter int unsigned SIMD = 1,
  parameter int unsigned NF = 1,        // output channels / PE
  parameter int unsigned SF = 1,        // inputs / SIMD
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned ACC_BITS = 2,  // signed, holds every final sum
  parameter int unsigned LEVELS = 1,    // thresholds per output; 0: the output is the sum itself
  parameter int unsigned T_BITS = 2,    // of a threshold, when LEVELS > 1
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1,
  parameter bit W_BRAM = 1'b0,          // weights in block RAM instead of LUTs
  parameter WEIGHT_FILE = "",           // NF * SF words; element (p, s) at bit (p * SIMD + s) * W_BITS
  parameter INIT_FILE = "",             // NF words; lane p at bit p * ACC_BITS; takes away what dot_product adds
  parameter THRESHOLD_FILE = ""         // NF words; see threshold_search
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
  localparam int unsigned SF_BITS = SF > 1 ? $clog2(SF) : 1;
  localparam int unsigned NF_BITS = NF > 1 ? $clog2(NF) : 1;
  localparam int unsigned STAGES = LEVELS > 1 ? $clog2(LEVELS + 1) : 0;
  // The greatest sum of a step, see dot_product; unsigned.
  localparam int unsigned X_MAX = X_KIND == 0 ? 2 : (1 << X_BITS) - 1;
  localparam int unsigned W_MAX = W_KIND == 0 ? 1 : (1 << W_BITS) - 1;
  localparam int unsigned FULL_DOT_BITS = $clog2(SIMD * (BINARY ? 1 : X_MAX * W_MAX) + 1);
  localparam int unsigned DOT_BITS = FULL_DOT_BITS < ACC_BITS ? FULL_DOT_BITS : ACC_BITS;

  if (PE < 1 || SIMD < 1 || NF < 1 || SF < 1 || X_BITS < 1 || W_BITS < 1 || ACC_BITS < 1) begin : gen_bad_size
    $fatal(1, "mvu: sizes must be at least 1");
  end
  if (X_KIND > 2 || W_KIND > 2 || (X_KIND == 0 && X_BITS != 1) || (W_KIND == 0 && W_BITS != 1)) begin : gen_bad_kind
    $fatal(1, "mvu: a kind is 0 (bipolar, of 1 bit), 1 (unsigned) or 2 (signed)");
  end
  if (LEVELS == 0 && OUT_BITS != (BINARY ? ACC_BITS + 1 : ACC_BITS)) begin : gen_bad_out_bits
    $fatal(1, "mvu: with LEVELS = 0, OUT_BITS must be ACC_BITS, plus 1 when both kinds are bipolar");
  end
  if (LEVELS > 1 && T_BITS < ACC_BITS) begin : gen_bad_t_bits
    $fatal(1, "mvu: T_BITS must be at least ACC_BITS");
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

  step_control #(.DEPTH(2 + STAGES)) i_control (
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
  cyclic_rom #(.WIDTH(PE * SIMD * W_BITS), .DEPTH(NF * SF), .BLOCK_RAM(W_BRAM), .FILE(WEIGHT_FILE)) i_weights (
    .clk_i, .rst_ni, .next_i(step), .word_o(weights)
  );

  // What the accumulator's stage knows of the step whose dot product it adds.
  logic stepped_q, first_piece_q;
  /* verilator lint_off UNUSEDSIGNAL */  // a single pass needs no choosing
  logic [NF_BITS-1:0] dot_nf_q;
  /* verilator lint_on UNUSEDSIGNAL */
  always_ff @(posedge clk_i) begin
    if (!rst_ni) stepped_q <= 1'b0;
    else if (advance) stepped_q <= step;
    if (advance) begin
      first_piece_q <= first_piece;
      dot_nf_q      <= nf_q;
    end
  end

`ifdef YOSYS
  (* logic_block = 1 *)
`else
  (* rom_style = "distributed" *)
`endif
  logic [PE*ACC_BITS-1:0] inits[NF];
  initial $readmemh(INIT_FILE, inits);
  logic [PE-1:0][ACC_BITS-1:0] init;
  if (NF > 1) begin : gen_inits
    assign init = inits[dot_nf_q];
  end else begin : gen_one_init
    assign init = inits[0];
  end

  logic [PE-1:0][ACC_BITS-1:0] acc_q;
  for (genvar p = 0; p < PE; p++) begin : gen_pe
    logic [DOT_BITS-1:0] dot_d, dot_q;
    if (BINARY) begin : gen_binary
      logic [$clog2(SIMD+1)-1:0] count;
      xnor_popcount #(.SIZE(SIMD)) i_count (.a_i(x), .b_i(weights[p*SIMD+:SIMD]), .count_o(count));
      assign dot_d = DOT_BITS'(count);
    end else begin : gen_integer
      dot_product #(
        .SIMD(SIMD), .X_BITS(X_BITS), .X_KIND(X_KIND), .W_BITS(W_BITS), .W_KIND(W_KIND), .SUM_BITS(DOT_BITS)
      ) i_dot (.x_i(x), .w_i(weights[p*SIMD*W_BITS+:SIMD*W_BITS]), .sum_o(dot_d));
    end

    // One LUT a bit: multiplexer and adder share it, because the other operand is a register.
    logic [ACC_BITS-1:0] start;
    assign start = first_piece_q ? init[p] : acc_q[p];
    always_ff @(posedge clk_i) begin
      if (advance) dot_q <= dot_d;
      if (advance && stepped_q) acc_q[p] <= ACC_BITS'(dot_q) + start;
    end
  end

  if (LEVELS == 0) begin : gen_sum
    for (genvar p = 0; p < PE; p++) begin : gen_lane
      if (BINARY) begin : gen_bipolar  // matches minus mismatches: twice the matches, minus an odd or even SIMD * SF
        assign m_tdata_o[p*OUT_BITS+:OUT_BITS] = {acc_q[p], 1'(SIMD * SF % 2)};
      end else begin : gen_plain
        assign m_tdata_o[p*OUT_BITS+:OUT_BITS] = acc_q[p];
      end
    end
  end else if (LEVELS == 1) begin : gen_sign
    for (genvar p = 0; p < PE; p++) begin : gen_lane
      level_code #(.N_BITS(1), .BASE(BASE), .STEP(STEP), .OUT_BITS(OUT_BITS)) i_code (
        .n_i(!acc_q[p][ACC_BITS-1]), .code_o(m_tdata_o[p*OUT_BITS+:OUT_BITS])
      );
    end
  end else begin : gen_search
    logic [PE*T_BITS-1:0] value;
    logic [PE*STAGES-1:0] n;
    logic [NF_BITS-1:0] acc_nf_q;
    always_ff @(posedge clk_i) if (advance) acc_nf_q <= dot_nf_q;
    threshold_search #(.PE(PE), .LEVELS(LEVELS), .T_BITS(T_BITS), .ROWS(NF), .FILE(THRESHOLD_FILE)) i_search (
      .clk_i, .advance_i(advance), .x_i(value), .row_i(acc_nf_q), .n_o(n)
    );
    for (genvar p = 0; p < PE; p++) begin : gen_lane
      assign value[p*T_BITS+:T_BITS] = T_BITS'($signed(acc_q[p]));
      level_code #(.N_BITS(STAGES), .BASE(BASE), .STEP(STEP), .OUT_BITS(OUT_BITS)) i_code (
        .n_i(n[p*STAGES+:STAGES]), .code_o(m_tdata_o[p*OUT_BITS+:OUT_BITS])
      );
    end
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(SIMD * X_BITS), .BEATS(SF)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
