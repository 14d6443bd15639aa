// Sliding window that gives all elements under the kernel in one beat: takes a map once, row by row, a pixel a step, and gives each window in the step
// in which its last tap arrives. Earlier pixels wait in a chain of delay lines that ends at the first tap, so a tap is a fixed number of
// steps old. Padding takes no steps: a window that reaches over the map's left or right edge finds the neighbouring row's pixels there, and over
// the upper edge the last frame's; the output registers clear such taps. Only windows that end behind the last pixel cost steps of their own, which
// take nothing. The steps are counted in rows and columns that begin with the first tap of the first window of a line.
module window_parallel #(
  parameter int unsigned BITS = 1,        // of a pixel
  parameter int unsigned HEIGHT = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned KERNEL_H = 1,
  parameter int unsigned KERNEL_W = 1,
  parameter int unsigned STRIDE_H = 1,
  parameter int unsigned STRIDE_W = 1,
  parameter int unsigned DILATION_H = 1,
  parameter int unsigned DILATION_W = 1,
  parameter int unsigned TOP = 0,         // rows and columns of padding, which are zeros
  parameter int unsigned LEFT = 0,
  parameter int unsigned BOTTOM = 0,
  parameter int unsigned RIGHT = 0,
  parameter int unsigned LINE_STORE = 0,  // where lines wait, see delay_line
  localparam int unsigned TAPS = KERNEL_H * KERNEL_W
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic [BITS-1:0]      s_tdata_i,
  input  logic                 s_tvalid_i,
  input  logic                 s_tlast_i,
  output logic                 s_tready_o,
  output logic [TAPS*BITS-1:0] m_tdata_o,  // row by row
  output logic                 m_tvalid_o,
  output logic                 m_tlast_o,
  input  logic                 m_tready_i
);
  if (BITS < 1 || HEIGHT < 1 || WIDTH < 1 || KERNEL_H < 1 || KERNEL_W < 1) begin : gen_bad_size
    $fatal(1, "window_parallel: sizes must be at least 1");
  end
  if (STRIDE_H < 1 || STRIDE_W < 1 || DILATION_H < 1 || DILATION_W < 1) begin : gen_bad_stride
    $fatal(1, "window_parallel: stride and dilation must be at least 1");
  end
  if (HEIGHT + TOP + BOTTOM < (KERNEL_H - 1) * DILATION_H + 1 || WIDTH + LEFT + RIGHT < (KERNEL_W - 1) * DILATION_W + 1) begin : gen_bad_kernel
    $fatal(1, "window_parallel: the kernel must fit into the padded map");
  end

  // How far the kernel reaches, and how often it fits.
  localparam int REACH_Y = int'((KERNEL_H - 1) * DILATION_H);
  localparam int REACH_X = int'((KERNEL_W - 1) * DILATION_W);
  localparam int H = int'(HEIGHT);
  localparam int W = int'(WIDTH);
  localparam int LINES = (H + int'(TOP + BOTTOM) - REACH_Y - 1) / int'(STRIDE_H) + 1;
  localparam int COLUMNS = (W + int'(LEFT + RIGHT) - REACH_X - 1) / int'(STRIDE_W) + 1;

  // Steps before the one in which the first window is complete; from there to a line's last one; from the last tap of a kernel row to the next row.
  localparam int FIRST = (REACH_Y - int'(TOP)) * W + REACH_X - int'(LEFT);
  localparam int LAST_COLUMN = (COLUMNS - 1) * int'(STRIDE_W);
  localparam int GAP = int'(DILATION_H) * W - REACH_X;
  if (FIRST < 0 || LAST_COLUMN >= W || (KERNEL_H > 1 && GAP < 1)) begin : gen_bad_padding
    $fatal(1, "window_parallel: no window may lie before the map, a line's windows must begin complete the width of the map, and so must its taps");
  end

  // The step in which window (line, column) is complete has the row FIRST_ROW + line * STRIDE_H and the column column * STRIDE_W, always below W.
  localparam int FIRST_ROW = (FIRST + W - 1) / W;
  localparam int START_COLUMN = FIRST_ROW * W - FIRST;  // of the first step; its row is 0
  localparam int LAST_ROW = FIRST_ROW + (LINES - 1) * int'(STRIDE_H);
  localparam int LAST_TAKE = START_COLUMN + H * W - 1;
  localparam int LAST_GIVE = LAST_ROW * W + LAST_COLUMN;
  localparam int END = LAST_TAKE > LAST_GIVE ? LAST_TAKE : LAST_GIVE;
  localparam int END_ROW = END / W;
  localparam int TOP_ROW = FIRST_ROW + int'(TOP);  // in which a window's first tap lies in the map's first row
  localparam int unsigned ROW_BITS = $clog2((END_ROW > TOP_ROW ? END_ROW : TOP_ROW) + 2);
  localparam int unsigned COLUMN_BITS = $clog2((W > int'(LEFT) ? W : int'(LEFT)) + 1);

  // What the steps depend on stands behind boundaries: a LUT or two each, however it is asked for.
  logic ready, step, give, last, row_ends, end_row, end_column, frame_ends, take;
  logic [ROW_BITS-1:0] row_q, row;
  logic [COLUMN_BITS-1:0] column_q, column, next_column;
  boundary i_step (.word_i(ready), .word_o(step));
  boundary #(.WIDTH(ROW_BITS + COLUMN_BITS)) i_place (.word_i({row_q, column_q}), .word_o({row, column}));  // apart from the adders, as in counter
  boundary i_row_ends (.word_i(column == COLUMN_BITS'(W - 1)), .word_o(row_ends));
  boundary i_end_row (.word_i(row == ROW_BITS'(END_ROW)), .word_o(end_row));
  if (END % W == W - 1) begin : gen_ends_with_row
    assign end_column = row_ends;
  end else begin : gen_ends_within
    boundary i_end_column (.word_i(column == COLUMN_BITS'(END % W)), .word_o(end_column));
  end
  assign frame_ends  = end_row && end_column;
  assign next_column = column_q + COLUMN_BITS'(1);
  for (genvar i = 0; i < COLUMN_BITS; i++) begin : gen_column_bit  // zeros by the registers' synchronous reset, as in counter
    if (START_COLUMN[i]) begin : gen_starts
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (step && frame_ends)) column_q[i] <= 1'b1;
        else if (step) column_q[i] <= next_column[i] && !row_ends;
      end
    end else begin : gen_zero
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (step && (frame_ends || row_ends))) column_q[i] <= 1'b0;
        else if (step) column_q[i] <= next_column[i];
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni || (step && frame_ends)) row_q <= '0;
    else if (step && row_ends) row_q <= row_q + ROW_BITS'(1);
  end

  // Behind the last pixel no step takes.
  if (END > LAST_TAKE) begin : gen_drain
    logic drain_q, taken_row, taken_column;
    boundary #(.WIDTH(2)) i_taken (
      .word_i({row == ROW_BITS'(LAST_TAKE / W), column == COLUMN_BITS'(LAST_TAKE % W)}), .word_o({taken_row, taken_column})
    );
    assign take = !drain_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (step && frame_ends)) drain_q <= 1'b0;
      else if (step && taken_row && taken_column) drain_q <= 1'b1;
    end
  end else begin : gen_no_drain
    assign take = 1'b1;
  end

  logic started, complete_row, complete_column;
  /* verilator lint_off UNSIGNED */  // always so, where the first row or the last column has a window
  /* verilator lint_off CMPCONST */
  assign started         = row >= ROW_BITS'(FIRST_ROW);
  assign complete_row    = started && row <= ROW_BITS'(LAST_ROW);
  assign complete_column = column <= COLUMN_BITS'(LAST_COLUMN);
  /* verilator lint_on CMPCONST */
  /* verilator lint_on UNSIGNED */

  // Strides: a line of windows in every STRIDE_H rows, a window in every STRIDE_W columns. The place tells it where the stride is a power of two.
  logic row_met, column_met;
  if (STRIDE_H == 2 ** $clog2(STRIDE_H)) begin : gen_row_tells
    assign row_met = (row & ROW_BITS'(STRIDE_H - 1)) == ROW_BITS'(FIRST_ROW % int'(STRIDE_H));
  end else begin : gen_row_phase
    logic [$clog2(STRIDE_H)-1:0] phase_q;
    logic over;
    boundary i_over (.word_i(!started || phase_q == $clog2(STRIDE_H)'(STRIDE_H - 1)), .word_o(over));
    assign row_met = phase_q == '0;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (step && (frame_ends || (row_ends && over)))) phase_q <= '0;
      else if (step && row_ends) phase_q <= phase_q + $clog2(STRIDE_H)'(1);
    end
  end
  if (STRIDE_W == 2 ** $clog2(STRIDE_W)) begin : gen_column_tells
    assign column_met = (column & COLUMN_BITS'(STRIDE_W - 1)) == '0;
  end else begin : gen_column_phase
    logic [$clog2(STRIDE_W)-1:0] phase_q;
    logic over;
    boundary i_over (.word_i(row_ends || frame_ends || phase_q == $clog2(STRIDE_W)'(STRIDE_W - 1)), .word_o(over));
    assign column_met = phase_q == '0;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (step && over)) phase_q <= '0;
      else if (step) phase_q <= phase_q + $clog2(STRIDE_W)'(1);
    end
  end
  logic row_gives, column_gives;
  boundary #(.WIDTH(2)) i_gives (.word_i({complete_row && row_met, complete_column && column_met}), .word_o({row_gives, column_gives}));
  assign give = row_gives && column_gives;
  if (END == LAST_GIVE) begin : gen_ends_with_last
    assign last = frame_ends;
  end else begin : gen_last
    logic given_row, given_column;
    boundary #(.WIDTH(2)) i_given (
      .word_i({row == ROW_BITS'(LAST_ROW), column == COLUMN_BITS'(LAST_COLUMN)}), .word_o({given_row, given_column})
    );
    assign last = given_row && given_column;
  end

  step_control #(.DEPTH(1)) i_control (
    .clk_i, .rst_ni, .need_i(take), .give_i(give), .last_i(last), .s_tvalid_i, .s_tready_o, .m_tvalid_o, .m_tlast_o, .m_tready_i,
    /* verilator lint_off PINCONNECTEMPTY */  // registers load in steps
    .advance_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .step_o(ready)
  );

  // Which kernel rows and columns lie outside the map, in a step that gives.
  logic [KERNEL_H-1:0] row_outside;
  logic [KERNEL_W-1:0] column_outside;
  for (genvar y = 0; y < KERNEL_H; y++) begin : gen_row
    localparam int ON = TOP_ROW - y * int'(DILATION_H);  // the first row with this kernel row on the map
    localparam bit ABOVE = ON > FIRST_ROW;
    localparam bit BELOW = ON + H <= LAST_ROW;
    if (ABOVE && BELOW) begin : gen_both
      boundary i_outside (.word_i(row < ROW_BITS'(ON) || row >= ROW_BITS'(ON + H)), .word_o(row_outside[y]));
    end else if (ABOVE) begin : gen_above
      boundary i_outside (.word_i(row < ROW_BITS'(ON)), .word_o(row_outside[y]));
    end else if (BELOW) begin : gen_below
      boundary i_outside (.word_i(row >= ROW_BITS'(ON + H)), .word_o(row_outside[y]));
    end else begin : gen_never
      assign row_outside[y] = 1'b0;
    end
  end
  for (genvar x = 0; x < KERNEL_W; x++) begin : gen_column
    localparam int ON = int'(LEFT) - x * int'(DILATION_W);
    localparam bit BEFORE = ON > 0;
    localparam bit BEHIND = ON + W <= LAST_COLUMN;
    if (BEFORE && BEHIND) begin : gen_both
      boundary i_outside (.word_i(column < COLUMN_BITS'(ON) || column >= COLUMN_BITS'(ON + W)), .word_o(column_outside[x]));
    end else if (BEFORE) begin : gen_before
      boundary i_outside (.word_i(column < COLUMN_BITS'(ON)), .word_o(column_outside[x]));
    end else if (BEHIND) begin : gen_behind
      boundary i_outside (.word_i(column >= COLUMN_BITS'(ON + W)), .word_o(column_outside[x]));
    end else begin : gen_never
      assign column_outside[x] = 1'b0;
    end
  end

  // The chain, from the last tap, which is the pixel at the input, to the first: between the kernel's rows wait most of a line's pixels each.
  logic [BITS-1:0] chain[TAPS];
  assign chain[TAPS-1] = s_tdata_i;
  if (KERNEL_H > 1) begin : gen_lines
    logic [(KERNEL_H-1)*BITS-1:0] line_in, line_out;
    for (genvar y = 0; y < KERNEL_H - 1; y++) begin : gen_line
      assign line_in[y*BITS+:BITS]       = chain[(y+1)*KERNEL_W];
      assign chain[y*KERNEL_W+KERNEL_W-1] = line_out[y*BITS+:BITS];
    end
    delay_line #(.WIDTH((KERNEL_H - 1) * BITS), .STEPS(GAP), .STORE(LINE_STORE)) i_lines (
      .clk_i, .rst_ni, .step_i(step), .word_i(line_in), .word_o(line_out)
    );
  end
  for (genvar t = 0; t < TAPS; t++) begin : gen_tap
    if (t % KERNEL_W < KERNEL_W - 1) begin : gen_older
      delay_line #(.WIDTH(BITS), .STEPS(DILATION_W)) i_wait (.clk_i, .rst_ni, .step_i(step), .word_i(chain[t+1]), .word_o(chain[t]));
    end
    logic [BITS-1:0] tap_q;
    always_ff @(posedge clk_i) if (step) tap_q <= row_outside[t/KERNEL_W] || column_outside[t%KERNEL_W] ? '0 : chain[t];
    assign m_tdata_o[t*BITS+:BITS] = tap_q;
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(BITS), .BEATS(HEIGHT * WIDTH)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
