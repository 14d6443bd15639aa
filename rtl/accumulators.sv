// PE running sums, and what becomes of them. Each step's sums of products come DEPTH advancing cycles after the step itself, and what belongs to the step
// (whether it is one, whether a sum begins with it, from what value, whose outputs it is) is delayed until then. The first step of PIECES adds to an initial
// value, the others to the sum so far. Arithmetic is modulo 2**ACC_BITS, which two's complement forgives as long as the final value fits.
module accumulators #(
  parameter int unsigned PE = 1,
  parameter int unsigned PIECES = 1,       // steps a sum
  parameter int unsigned SETS = 1,         // how many times PE outputs there are
  parameter int unsigned INITS = 1,        // initial values of PE outputs: SETS, for each kind of position
  parameter int unsigned DEPTH = 1,
  parameter int unsigned SUM_BITS = 1,
  parameter bit SUM_SIGNED = 1'b0,
  parameter bit DOUBLE = 1'b0,             // sums count twice
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
  output logic [PE*OUT_BITS-1:0] data_o
);
  localparam int unsigned MELTED = 8;      // so many initial values melt into the adders, see lookup; more are read a cycle ahead

  logic [SET_BITS-1:0] row;
  logic [INIT_BITS-1:0] init_address;
  logic [PE-1:0][ACC_BITS-1:0] init, word, acc;
  delay #(.WIDTH(SET_BITS), .DEPTH(DEPTH + 1)) i_set (.clk_i, .rst_ni, .advance_i, .word_i(set_i), .word_o(row));
  delay #(.WIDTH(INIT_BITS), .DEPTH(INITS > MELTED ? DEPTH - 1 : DEPTH)) i_address (
    .clk_i, .rst_ni, .advance_i, .word_i(init_address_i), .word_o(init_address)
  );
  lookup #(.WIDTH(PE * ACC_BITS), .DEPTH(INITS), .FILE(INIT_FILE)) i_inits (.addr_i(init_address), .word_o(word));
  if (INITS > MELTED) begin : gen_ahead
    logic [PE*ACC_BITS-1:0] word_q;
    always_ff @(posedge clk_i) if (advance_i) word_q <= word;
    assign init = word_q;
  end else begin : gen_melted
    assign init = word;
  end

  logic adds, first;
  if (PIECES > 1) begin : gen_pieces
    logic step;
    delay #(.WIDTH(2), .DEPTH(DEPTH)) i_step (.clk_i, .rst_ni, .advance_i, .word_i({step_i, first_i}), .word_o({step, first}));
    assign adds = advance_i && step;
  end else begin : gen_one_piece
    assign first = 1'b1;
    assign adds  = advance_i;
  end

  // One LUT a bit: multiplexer and adder share it, because the other operand is a register.
  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [SUM_BITS-1:0] lane;
    logic [ACC_BITS-1:0] acc_q, base, sum;
    assign lane = sum_i[p*SUM_BITS+:SUM_BITS];
    if (SUM_SIGNED) begin : gen_signed
      assign sum = ACC_BITS'($signed(lane));
    end else begin : gen_unsigned
      assign sum = ACC_BITS'(lane) << DOUBLE;
    end
    assign base = first ? init[p] : acc_q;
    always_ff @(posedge clk_i) if (adds) acc_q <= base + sum;
    assign acc[p] = acc_q;
  end

  activation #(
    .PE(PE), .ROWS(SETS), .ACC_BITS(ACC_BITS), .ODD(ODD), .LEVELS(LEVELS), .T_BITS(T_BITS), .SEARCH_REGISTERS(SEARCH_REGISTERS), .BASE(BASE),
    .STEP(STEP), .OUT_BITS(OUT_BITS), .THRESHOLD_FILE(THRESHOLD_FILE)
  ) i_activation (.clk_i, .advance_i, .row_i(row), .acc_i(acc), .data_o);
endmodule
