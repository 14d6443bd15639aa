// Quantizes each channel by its own ascending thresholds: n = how many of them the value reaches, reversed to LEVELS - n where the channel's flip bit is
// set, then coded as the low OUT_BITS of BASE + STEP * n. Channel step * PE + p is lane p; with ROWS = 1 all steps share a row of thresholds.
module threshold #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,      // beats per vector (all channels once)
  parameter int unsigned VECTORS = 1,   // per frame
  parameter int unsigned WIDTH = 1,     // of a value
  parameter int unsigned SIGNED = 0,
  parameter int unsigned LEVELS = 1,
  parameter int unsigned T_BITS = 2,    // of a threshold, signed
  parameter int unsigned FLIP = 0,      // there are flip bits
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1,
  parameter int unsigned ROWS = 1,      // 1 or FOLD
  parameter int unsigned SEARCH_REGISTERS = 1,  // see threshold_search
  parameter THRESHOLD_FILE = "",        // see threshold_search
  parameter FLIP_FILE = ""              // ROWS words of PE bits
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [PE*WIDTH-1:0]    s_tdata_i,
  input  logic                   s_tvalid_i,
  input  logic                   s_tlast_i,
  output logic                   s_tready_o,
  output logic [PE*OUT_BITS-1:0] m_tdata_o,
  output logic                   m_tvalid_o,
  output logic                   m_tlast_o,
  input  logic                   m_tready_i
);
  localparam int unsigned STAGES = $clog2(LEVELS + 1);
  localparam int unsigned STEP_BITS = FOLD > 1 ? $clog2(FOLD) : 1;
  localparam int unsigned ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;

  if (PE < 1 || FOLD < 1 || VECTORS < 1 || WIDTH < 1 || LEVELS < 1 || OUT_BITS < 1) begin : gen_bad_size
    $fatal(1, "threshold: PE, FOLD, VECTORS, WIDTH, LEVELS and OUT_BITS must be at least 1");
  end
  if (T_BITS < WIDTH + (SIGNED != 0 ? 0 : 1)) begin : gen_bad_t_bits
    $fatal(1, "threshold: T_BITS must hold every value of the input as a signed number");
  end
  if (ROWS != 1 && ROWS != FOLD) begin : gen_bad_rows
    $fatal(1, "threshold: ROWS must be 1 or FOLD");
  end

  logic advance, step, last;
  /* verilator lint_off UNUSEDSIGNAL */  // of one row nobody asks which
  logic [STEP_BITS-1:0] beat;
  /* verilator lint_on UNUSEDSIGNAL */

  counter #(.COUNT(FOLD)) i_beat (.clk_i, .rst_ni, .step_i(step), .value_o(beat), .last_o(last));

  step_control #(.DEPTH(SEARCH_REGISTERS * STAGES), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );

  logic [PE-1:0][T_BITS-1:0] x;
  logic [PE-1:0][STAGES-1:0] n;
  logic [ROW_BITS-1:0] row;
  if (ROWS > 1) begin : gen_row
    assign row = beat;
  end else begin : gen_no_row
    assign row = '0;
  end

  threshold_search #(
    .PE(PE), .LEVELS(LEVELS), .T_BITS(T_BITS), .ROWS(ROWS), .REGISTERS(SEARCH_REGISTERS), .FILE(THRESHOLD_FILE)
  ) i_search (
    .clk_i, .advance_i(advance), .x_i(x), .row_i(row), .n_o(n)
  );

  logic [PE-1:0] flip;
  if (FLIP != 0) begin : gen_flip
    // One row leaves with each output beat, in order.
    cyclic_rom #(.WIDTH(PE), .DEPTH(ROWS), .FILE(FLIP_FILE)) i_flip (
      .clk_i, .rst_ni, .next_i(m_tvalid_o && m_tready_i), .word_o(flip)
    );
  end else begin : gen_no_flip
    assign flip = '0;
  end

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    if (SIGNED != 0) begin : gen_signed
      assign x[p] = T_BITS'($signed(s_tdata_i[p*WIDTH+:WIDTH]));
    end else begin : gen_unsigned
      assign x[p] = T_BITS'(s_tdata_i[p*WIDTH+:WIDTH]);
    end
    logic [STAGES-1:0] count;
    assign count = flip[p] ? STAGES'(LEVELS) - n[p] : n[p];
    level_code #(.N_BITS(STAGES), .BASE(BASE), .STEP(STEP), .OUT_BITS(OUT_BITS)) i_code (
      .n_i(count), .code_o(m_tdata_o[p*OUT_BITS+:OUT_BITS])
    );
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * WIDTH), .BEATS(FOLD * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
