// PE running sums, and what becomes of them. Each step's sums of products come DEPTH advancing cycles after the step itself, and what belongs to the step
// (whether it is one, whether a sum begins with it, from what value, whose outputs it is) is delayed until then. The first step of PIECES adds to an initial
// value, the others to the sum so far. Arithmetic is modulo 2**ACC_BITS, which two's complement forgives as long as the final value fits.
// Where the datapath holds the SUMS itself (sums_dsp), it is told what to add to, and when.
module accumulators #(
  parameter int unsigned PE = 1,
  parameter int unsigned PIECES = 1,       // steps a sum
  parameter int unsigned SETS = 1,         // how many times PE outputs there are
  parameter int unsigned INITS = 1,        // initial values of PE outputs: SETS, for each kind of position
  parameter int unsigned DEPTH = 1,
  parameter int unsigned SUM_BITS = 1,
  parameter bit DOUBLE = 1'b0,             // sums count twice
  parameter bit SUMS = 1'b0,               // sum_i, of ACC_BITS each, are the running sums
  parameter int unsigned ACC_BITS = 2,     // signed, holds every final sum
  parameter bit ODD = 1'b0,                // see activation
  parameter int unsigned LEVELS = 1,
  parameter int unsigned T_BITS = 2,
  parameter int unsigned SEARCH_REGISTERS = 1,
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1,
  parameter INIT_FILE = "",                // INITS words; lane p at bit p * ACC_BITS
  parameter THRESHOLD_FILE = "",           // SETS words; see threshold_search
  localparam int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1,
  localparam int unsigned INIT_BITS = INITS > 1 ? $clog2(INITS) : 1
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   advance_i,
  /* verilator lint_off UNUSEDSIGNAL */    // of sums of one step nothing is to be remembered
  input  logic                   step_i,
  input  logic                   first_i,
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic [SET_BITS-1:0]    set_i,
  input  logic [INIT_BITS-1:0]   init_address_i,
  input  logic [PE*SUM_BITS-1:0] sum_i,    // of the step that was DEPTH advancing cycles ago
  output logic [PE*ACC_BITS+1:0] start_o,  // for running sums: initial values and whether sums begin, DEPTH - 1 advancing cycles after the step; and, on
                                           // top, whether to add what there is, DEPTH after
  output logic [PE*OUT_BITS-1:0] data_o
);
  localparam int unsigned MELTED = 8;      // so many initial values melt into the adders, see lookup; more are read a cycle ahead
  localparam bit AHEAD = SUMS || INITS > MELTED;

  logic [SET_BITS-1:0] row;
  logic [INIT_BITS-1:0] init_address;
  logic [PE*ACC_BITS-1:0] word, acc;
  delay #(.WIDTH(SET_BITS), .DEPTH(DEPTH + 1)) i_set (.clk_i, .rst_ni, .advance_i, .word_i(set_i), .word_o(row));
  delay #(.WIDTH(INIT_BITS), .DEPTH(AHEAD ? DEPTH - 1 : DEPTH)) i_address (
    .clk_i, .rst_ni, .advance_i, .word_i(init_address_i), .word_o(init_address)
  );
  lookup #(.WIDTH(PE * ACC_BITS), .DEPTH(INITS), .FILE(INIT_FILE)) i_inits (.addr_i(init_address), .word_o(word));

  localparam int unsigned FIRST = SUMS ? DEPTH - 1 : DEPTH;
  logic adds, first;
  if (PIECES > 1) begin : gen_pieces
    logic step;
    delay #(.DEPTH(DEPTH)) i_step (.clk_i, .rst_ni, .advance_i, .word_i(step_i), .word_o(step));
    delay #(.DEPTH(FIRST)) i_first (.clk_i, .rst_ni, .advance_i, .word_i(first_i), .word_o(first));
    assign adds = advance_i && step;
  end else begin : gen_one_piece
    assign first = 1'b1;
    assign adds  = advance_i;
  end
  assign start_o = {adds, first, word};

  if (SUMS) begin : gen_sums
    assign acc = sum_i;
  end else begin : gen_accumulators
    logic [PE*ACC_BITS-1:0] init;
    if (AHEAD) begin : gen_ahead
      logic [PE*ACC_BITS-1:0] word_q;
      always_ff @(posedge clk_i) if (advance_i) word_q <= word;
      assign init = word_q;
    end else begin : gen_melted
      assign init = word;
    end

    // One LUT a bit: multiplexer and adder share it.
    for (genvar p = 0; p < PE; p++) begin : gen_lane
      logic [ACC_BITS-1:0] acc_q, base, sum, added;
      assign sum = ACC_BITS'(sum_i[p*SUM_BITS+:SUM_BITS]) << DOUBLE;
      assign base = first ? init[p*ACC_BITS+:ACC_BITS] : acc_q;
      if (PIECES > 1 && ACC_BITS > 2) begin : gen_chain
        add_chain #(.BITS(ACC_BITS)) i_add (.a_i(sum), .b_i(base), .sum_o(added));
      end else begin : gen_add
        assign added = base + sum;
      end
      always_ff @(posedge clk_i) if (adds) acc_q <= added;
      assign acc[p*ACC_BITS+:ACC_BITS] = acc_q;
    end
  end

  activation #(
    .PE(PE), .ROWS(SETS), .ACC_BITS(ACC_BITS), .ODD(ODD), .LEVELS(LEVELS), .T_BITS(T_BITS), .SEARCH_REGISTERS(SEARCH_REGISTERS), .BASE(BASE),
    .STEP(STEP), .OUT_BITS(OUT_BITS), .THRESHOLD_FILE(THRESHOLD_FILE)
  ) i_activation (.clk_i, .advance_i, .row_i(row), .acc_i(acc), .data_o);
endmodule
