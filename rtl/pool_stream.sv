// Max pool (or min, in the lanes marked so) whose windows tile the map: the stride is the kernel, and there is no padding. Takes every beat of the map
// as it comes and keeps nothing of it but the best of each window so far: one row of outputs. What lies right of and below the last windows is taken
// and forgotten.
module pool_stream #(
  parameter int unsigned PE = 1,        // channels a beat
  parameter int unsigned FOLD = 1,      // beats a pixel
  parameter int unsigned HEIGHT = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned KERNEL_H = 1,
  parameter int unsigned KERNEL_W = 1,
  parameter int unsigned BITS = 1,      // of a value
  parameter int unsigned SIGNED = 0,    // two's complement; the bits of bipolar and unsigned values order as they do
  parameter int unsigned MIN_ROWS = 0,  // words in MIN_FILE: FOLD, 1 for all beats alike, or 0 where all lanes want the greatest
  parameter MIN_FILE = ""               // bit p of word f: channel f * PE + p wants the least
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic [PE*BITS-1:0] s_tdata_i,
  input  logic               s_tvalid_i,
  input  logic               s_tlast_i,
  output logic               s_tready_o,
  output logic [PE*BITS-1:0] m_tdata_o,
  output logic               m_tvalid_o,
  output logic               m_tlast_o,
  input  logic               m_tready_i
);
  localparam int unsigned LINES = HEIGHT / KERNEL_H;
  localparam int unsigned COLUMNS = WIDTH / KERNEL_W;
  localparam int unsigned KX_BITS = KERNEL_W > 1 ? $clog2(KERNEL_W) : 1;
  localparam int unsigned KY_BITS = KERNEL_H > 1 ? $clog2(KERNEL_H) : 1;
  localparam int unsigned BEAT_BITS = FOLD > 1 ? $clog2(FOLD) : 1;
  // One more of each where pixels are left over.
  localparam int unsigned LAST_COLUMN = (WIDTH - 1) / KERNEL_W;
  localparam int unsigned LAST_LINE = (HEIGHT - 1) / KERNEL_H;
  localparam int unsigned COLUMN_BITS = LAST_COLUMN > 0 ? $clog2(LAST_COLUMN + 1) : 1;
  localparam int unsigned LINE_BITS = LAST_LINE > 0 ? $clog2(LAST_LINE + 1) : 1;

  if (PE < 1 || FOLD < 1 || BITS < 1 || KERNEL_H < 1 || KERNEL_W < 1) begin : gen_bad_size
    $fatal(1, "pool_stream: sizes must be at least 1");
  end
  if (LINES < 1 || COLUMNS < 1) begin : gen_bad_kernel
    $fatal(1, "pool_stream: the kernel must fit into the map");
  end
  if (MIN_ROWS > 1 && MIN_ROWS != FOLD) begin : gen_bad_min_rows
    $fatal(1, "pool_stream: MIN_ROWS must be 0, 1 or FOLD");
  end

  // Where the beat lies: which one of its pixel, in which place of which window.
  logic step, pixel_ends, across_ends, row_ends, down_ends, frame_ends;
  /* verilator lint_off UNUSEDSIGNAL */  // a place of the one word
  logic [BEAT_BITS-1:0] beat;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [KX_BITS-1:0] kx_q, kx;
  logic [COLUMN_BITS-1:0] column_q, column;
  logic [KY_BITS-1:0] ky_q, ky;
  logic [LINE_BITS-1:0] line_q, line;
  counter #(.COUNT(FOLD)) i_beat (.clk_i, .rst_ni, .step_i(step), .value_o(beat), .last_o(pixel_ends));
  boundary #(.WIDTH(KX_BITS + COLUMN_BITS + KY_BITS + LINE_BITS)) i_place (  // apart from the adders, as in counter
    .word_i({kx_q, column_q, ky_q, line_q}), .word_o({kx, column, ky, line})
  );
  assign across_ends = kx == KX_BITS'(KERNEL_W - 1);
  assign down_ends   = ky == KY_BITS'(KERNEL_H - 1);
  assign row_ends    = pixel_ends && kx == KX_BITS'((WIDTH - 1) % KERNEL_W) && column == COLUMN_BITS'(LAST_COLUMN);
  assign frame_ends  = row_ends && ky == KY_BITS'((HEIGHT - 1) % KERNEL_H) && line == LINE_BITS'(LAST_LINE);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) kx_q <= '0;
    else if (step && pixel_ends) kx_q <= row_ends || across_ends ? '0 : kx_q + KX_BITS'(1);
    if (!rst_ni || (step && row_ends)) column_q <= '0;
    else if (step && pixel_ends && across_ends) column_q <= column_q + COLUMN_BITS'(1);
    if (!rst_ni) ky_q <= '0;
    else if (step && row_ends) ky_q <= frame_ends || down_ends ? '0 : ky_q + KY_BITS'(1);
    if (!rst_ni || (step && frame_ends)) line_q <= '0;
    else if (step && row_ends && down_ends) line_q <= line_q + LINE_BITS'(1);
  end

  logic covered, first, give, last;
  if (LAST_COLUMN == COLUMNS) begin : gen_columns_left
    assign covered = column != COLUMN_BITS'(LAST_COLUMN);
  end else begin : gen_no_columns_left
    assign covered = 1'b1;
  end
  assign first = kx == '0 && ky == '0;
  assign give  = covered && across_ends && down_ends;  // rows left over never fill a window
  assign last  = pixel_ends && column == COLUMN_BITS'(COLUMNS - 1) && line == LINE_BITS'(LINES - 1);

  step_control #(.DEPTH(1)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(give), .last_i(last), .s_tvalid_i, .s_tready_o, .m_tvalid_o, .m_tlast_o, .m_tready_i,
    /* verilator lint_off PINCONNECTEMPTY */  // its one register only loads in steps
    .advance_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .step_o(step)
  );

  logic [PE-1:0] least;
  if (MIN_ROWS > 0) begin : gen_some_least
    cyclic_rom #(.WIDTH(PE), .DEPTH(MIN_ROWS), .FILE(MIN_FILE)) i_least (.clk_i, .rst_ni, .next_i(step), .word_o(least));
  end else begin : gen_all_greatest
    assign least = '0;
  end

  // The best of each window so far; of one row of windows, if they have several rows, else of one window.
  localparam int unsigned WORDS = (KERNEL_H > 1 ? COLUMNS : 1) << $clog2(FOLD);
  logic [PE*BITS-1:0] kept, best, best_q;
  if (WORDS == 1) begin : gen_word
    logic [PE*BITS-1:0] kept_q;
    always_ff @(posedge clk_i) if (step && covered) kept_q <= best;
    assign kept = kept_q;
  end else begin : gen_words
    localparam int unsigned ADDR_BITS = $clog2(WORDS);
    logic [ADDR_BITS-1:0] addr;
    if (KERNEL_H > 1 && FOLD > 1) begin : gen_columns_of_beats
      assign addr = ADDR_BITS'({column, beat});
    end else if (KERNEL_H > 1) begin : gen_columns
      assign addr = ADDR_BITS'(column);
    end else begin : gen_beats
      assign addr = beat;
    end
    (* ram_style = "distributed" *) logic [PE*BITS-1:0] words[WORDS];
    always_ff @(posedge clk_i) if (step && covered) words[addr] <= best;
    assign kept = words[addr];
  end
  for (genvar p = 0; p < PE; p++) begin : gen_lane
    extreme #(.BITS(BITS), .SIGNED(SIGNED)) i_best (
      .a_i(s_tdata_i[p*BITS+:BITS]), .b_i(kept[p*BITS+:BITS]), .first_i(first), .least_i(least[p]), .value_o(best[p*BITS+:BITS])
    );
  end
  always_ff @(posedge clk_i) if (step) best_q <= best;
  assign m_tdata_o = best_q;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * BITS), .BEATS(HEIGHT * WIDTH * FOLD)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
