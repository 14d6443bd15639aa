// Matrix-vector unit: everything of it but the products, which a datapath beside it computes. The unit gives each step's piece of input and its weights,
// or the address of weights that the datapath holds itself, and adds up the PE sums that come back DP_DEPTH advancing cycles later; or a datapath that adds
// them up itself (DP_SUMS) is also told with what its sums start, see accumulators.
// A vector takes NF * SF steps: for each of the NF groups of outputs, once through the vector in SF pieces. The first pass takes the pieces from the
// stream and keeps them for the later ones. A convolution is a vector per output pixel and group; its GROUPS matrices take turns, and the sum starts from
// what the pixel's position says, where some of the window lies outside the map (CLASSES kinds of positions). In a depthwise one, PE channels are a
// group, and a piece is a tap of them all.
module mvu #(
  parameter int unsigned PE = 1,
  parameter int unsigned NF = 1,          // outputs of a vector / PE
  parameter int unsigned SF = 1,          // pieces of a vector
  parameter int unsigned GROUPS = 1,
  parameter int unsigned VECTORS = 1,     // a frame: pixels * GROUPS
  parameter int unsigned CLASSES = 1,
  parameter int unsigned COLUMNS = 1,     // pixels a row, when CLASSES > 1
  parameter int unsigned X_BITS = 1,      // of a piece
  parameter bit X_REGISTER = 1'b0,        // one more register before the datapath
  parameter int unsigned W_STORE = 0,     // 0: a ROM in LUTs, 1: in block RAM, 2: in the datapath, which gets the word's address
  parameter int unsigned W_WORDS = 1,     // GROUPS * NF * SF, or 1 when all words are the same
  parameter int unsigned W_BITS = 1,      // of a word, or of its address
  parameter int unsigned DP_DEPTH = 1,
  parameter bit DP_SUMS = 1'b0,
  parameter int unsigned SUM_BITS = 1,    // of one of the datapath's sums; ACC_BITS where it adds them up
  parameter bit DOUBLE = 1'b0,            // sums count twice
  parameter int unsigned ACC_BITS = 2,    // signed, holds every final sum
  parameter bit ODD = 1'b0,               // see activation
  parameter int unsigned LEVELS = 1,      // thresholds per output; 0: the output is the sum itself
  parameter int unsigned T_BITS = 2,      // of a threshold, when LEVELS > 1
  parameter int unsigned SEARCH_REGISTERS = 1,  // see threshold_search
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1,
  parameter WEIGHT_FILE = "",             // W_WORDS words, unless they are in the datapath
  parameter INIT_FILE = "",               // CLASSES * GROUPS * NF words; lane p at bit p * ACC_BITS; takes away what the datapath adds
  parameter THRESHOLD_FILE = "",          // GROUPS * NF words; see threshold_search
  parameter ROW_FILE = "",                // when CLASSES > 1: the first word of INIT_FILE for a row's and a column's class,
  parameter COLUMN_FILE = "",             // to be added, see position_base
  localparam int unsigned START_BITS = PE * ACC_BITS + 2
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [X_BITS-1:0]      s_tdata_i,
  input  logic                   s_tvalid_i,
  input  logic                   s_tlast_i,
  output logic                   s_tready_o,
  output logic [PE*OUT_BITS-1:0] m_tdata_o,
  output logic                   m_tvalid_o,
  output logic                   m_tlast_o,
  input  logic                   m_tready_i,
  output logic                   dp_advance_o,
  output logic [X_BITS-1:0]      dp_x_o,
  output logic [W_BITS+(DP_SUMS?START_BITS:0)-1:0] dp_w_o,
  input  logic [PE*SUM_BITS-1:0] dp_sum_i
);
  localparam int unsigned SETS = GROUPS * NF;
  localparam int unsigned INITS = CLASSES * SETS;
  localparam int unsigned SF_BITS = SF > 1 ? $clog2(SF) : 1;
  localparam int unsigned NF_BITS = NF > 1 ? $clog2(NF) : 1;
  localparam int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1;
  localparam int unsigned INIT_BITS = INITS > 1 ? $clog2(INITS) : 1;
  localparam int unsigned SEARCH = LEVELS > 1 ? SEARCH_REGISTERS * $clog2(LEVELS + 1) : 0;
  localparam int unsigned KEPT = NF > 1 ? 1 : 0;
  localparam int unsigned X_DELAY = KEPT + (X_REGISTER ? 1 : 0);  // advancing cycles from a step to its operands at the datapath

  if (PE < 1 || NF < 1 || SF < 1 || GROUPS < 1 || CLASSES < 1 || COLUMNS < 1 || X_BITS < 1 || DP_DEPTH < 1 || ACC_BITS < 1) begin : gen_bad_size
    $fatal(1, "mvu: sizes must be at least 1");
  end
  if (VECTORS < 1 || VECTORS % (GROUPS * COLUMNS) != 0) begin : gen_bad_vectors
    $fatal(1, "mvu: VECTORS must be a positive multiple of GROUPS * COLUMNS");
  end
  if (W_WORDS != 1 && W_WORDS != SETS * SF) begin : gen_bad_words
    $fatal(1, "mvu: W_WORDS must be 1 or GROUPS * NF * SF");
  end
  if (W_STORE > 2 || (W_STORE == 2 && W_WORDS > 2 ** W_BITS)) begin : gen_bad_store
    $fatal(1, "mvu: W_STORE must be 0, 1, or 2 with W_BITS that hold an address of W_WORDS words");
  end

  // The steps.
  logic advance, step, first_pass, first_piece, last_piece, last_set;
  /* verilator lint_off UNUSEDSIGNAL */  // of several groups the set tells
  logic last_pass;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [SF_BITS-1:0] piece;
  logic [NF_BITS-1:0] pass;
  counter #(.COUNT(SF)) i_piece (.clk_i, .rst_ni, .step_i(step), .value_o(piece), .last_o(last_piece));
  counter #(.COUNT(NF)) i_pass (.clk_i, .rst_ni, .step_i(step && last_piece), .value_o(pass), .last_o(last_pass));
  assign first_piece = piece == '0;
  assign first_pass  = pass == '0;

  // Which outputs of the whole matrix this pass computes.
  logic [SET_BITS-1:0] set;
  if (GROUPS > 1) begin : gen_groups
    counter #(.COUNT(SETS)) i_set (.clk_i, .rst_ni, .step_i(step && last_piece), .value_o(set), .last_o(last_set));
  end else begin : gen_one_group
    assign last_set = last_pass;
    assign set      = pass;
  end

  step_control #(.DEPTH(X_DELAY + DP_DEPTH + 1 + SEARCH), .VECTORS(VECTORS / GROUPS)) i_control (
    .clk_i, .rst_ni, .need_i(first_pass), .give_i(last_piece), .last_i(last_set), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );
  assign dp_advance_o = advance;

  // The step's piece, from the stream; or, a cycle later, from where the first pass has put it by then, so that there is nothing to choose.
  logic [X_BITS-1:0] x;
  if (NF == 1) begin : gen_streamed
    assign x = s_tdata_i;
  end else if (SF == 1) begin : gen_one_kept
    logic [X_BITS-1:0] piece_q;
    always_ff @(posedge clk_i) if (step && first_pass) piece_q <= s_tdata_i;
    assign x = piece_q;
  end else begin : gen_kept
    logic [SF_BITS-1:0] address_q;
    always_ff @(posedge clk_i) if (advance) address_q <= piece;
    lut_ram #(.WIDTH(X_BITS), .DEPTH(SF)) i_pieces (
      .clk_i, .write_i(step && first_pass), .write_addr_i(piece), .word_i(s_tdata_i), .read_addr_i(address_q), .word_o(x)
    );
  end
  if (X_REGISTER) begin : gen_x_register
    logic [X_BITS-1:0] x_q;
    always_ff @(posedge clk_i) if (advance) x_q <= x;
    assign dp_x_o = x_q;
  end else begin : gen_no_x_register
    assign dp_x_o = x;
  end

  // What else is known of the step whose operands are at the datapath.
  /* verilator lint_off UNUSEDSIGNAL */  // a single word of weights has no steps
  logic [X_DELAY:0] stepped;             // [k]: k advancing cycles after a step
  /* verilator lint_on UNUSEDSIGNAL */
  assign stepped[0] = step;
  if (X_DELAY > 0) begin : gen_stepped
    logic [X_DELAY-1:0] stepped_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) stepped_q <= '0;
      else if (advance) stepped_q <= stepped[X_DELAY-1:0];
    end
    assign stepped[X_DELAY:1] = stepped_q;
  end

  // Its weights. A register hides how slow block RAM is.
  logic [W_BITS-1:0] w;
  if (W_WORDS == 1 && W_STORE == 2) begin : gen_no_address
    assign w = '0;
  end else if (W_STORE == 2) begin : gen_address
    logic [$clog2(W_WORDS)-1:0] word;
    counter #(.COUNT(W_WORDS)) i_word (
      .clk_i, .rst_ni, .step_i(advance && stepped[X_DELAY]), .value_o(word),
      /* verilator lint_off PINCONNECTEMPTY */  // the first follows it in any case
      .last_o()
      /* verilator lint_on PINCONNECTEMPTY */
    );
    assign w = W_BITS'(word);
  end else begin : gen_rom
    localparam bit W_REGISTER = W_STORE == 1 && X_REGISTER;
    logic [W_BITS-1:0] word;
    cyclic_rom #(.WIDTH(W_BITS), .DEPTH(W_WORDS), .BLOCK_RAM(W_STORE == 1), .FILE(WEIGHT_FILE)) i_weights (
      .clk_i, .rst_ni, .next_i(advance && stepped[X_DELAY-(W_REGISTER?1:0)]), .word_o(word)
    );
    delay #(.WIDTH(W_BITS), .DEPTH(W_REGISTER ? 1 : 0)) i_delay (.clk_i, .rst_ni, .advance_i(advance), .word_i(word), .word_o(w));
  end

  logic [INIT_BITS-1:0] init_address;
  if (CLASSES > 1) begin : gen_classes
    logic [INIT_BITS-1:0] base;
    position_base #(
      .ROWS(VECTORS / GROUPS / COLUMNS), .COLUMNS(COLUMNS), .BITS(INIT_BITS), .ROW_FILE(ROW_FILE), .COLUMN_FILE(COLUMN_FILE)
    ) i_position (.clk_i, .rst_ni, .next_i(step && last_piece && last_set), .base_o(base));
    assign init_address = base + INIT_BITS'(set);
  end else begin : gen_one_class
    assign init_address = set;
  end

  /* verilator lint_off UNUSEDSIGNAL */  // unless the datapath adds up
  logic [START_BITS-1:0] start;
  /* verilator lint_on UNUSEDSIGNAL */
  if (DP_SUMS) begin : gen_start
    assign dp_w_o = {start, w};
  end else begin : gen_no_start
    assign dp_w_o = w;
  end
  accumulators #(
    .PE(PE), .PIECES(SF), .SETS(SETS), .INITS(INITS), .DEPTH(X_DELAY + DP_DEPTH), .SUM_BITS(SUM_BITS), .DOUBLE(DOUBLE),
    .SUMS(DP_SUMS), .ACC_BITS(ACC_BITS), .ODD(ODD), .LEVELS(LEVELS), .T_BITS(T_BITS), .SEARCH_REGISTERS(SEARCH_REGISTERS), .BASE(BASE), .STEP(STEP),
    .OUT_BITS(OUT_BITS), .INIT_FILE(INIT_FILE), .THRESHOLD_FILE(THRESHOLD_FILE)
  ) i_sums (
    .clk_i, .rst_ni, .advance_i(advance), .step_i(step), .first_i(first_piece), .set_i(set), .init_address_i(init_address), .sum_i(dp_sum_i),
    .start_o(start), .data_o(m_tdata_o)
  );

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(X_BITS), .BEATS(SF * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
