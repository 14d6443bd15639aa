// Sliding window: takes a map once, row by row, and gives for each output pixel the elements under the kernel, tap by tap; a tap outside the map gives
// the pad word. The order within a pixel: for each tile of TILE channels, for each kernel row and column, the tile's beats. All positions are walked
// in differences: every step adds one of a few constants, chosen by the innermost loop that goes on. The walk is a step ahead of the ring, and what it
// says of a step waits in registers: so no path leads through both the loops and the ring's adders.
module window #(
  parameter int unsigned BITS = 1,         // of an element
  parameter int unsigned E = 1,            // elements a beat
  parameter int unsigned CHANNELS = 1,
  parameter int unsigned HEIGHT = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned KERNEL_H = 1,
  parameter int unsigned KERNEL_W = 1,
  parameter int unsigned STRIDE_H = 1,
  parameter int unsigned STRIDE_W = 1,
  parameter int unsigned DILATION_H = 1,
  parameter int unsigned DILATION_W = 1,
  parameter int unsigned TOP = 0,          // rows and columns of padding
  parameter int unsigned LEFT = 0,
  parameter int unsigned BOTTOM = 0,
  parameter int unsigned RIGHT = 0,
  parameter int unsigned TILE = CHANNELS,  // a multiple of E
  parameter int unsigned CAPACITY = 2,     // pixels in the ring; see ring_buffer for the rest
  parameter int unsigned COUNT_BITS = 3,
  parameter bit BLOCK_RAM = 1'b0,
  parameter int unsigned PAD_ROWS = 0,
  parameter PAD_FILE = ""
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic [E*BITS-1:0] s_tdata_i,
  input  logic              s_tvalid_i,
  input  logic              s_tlast_i,
  output logic              s_tready_o,
  output logic [E*BITS-1:0] m_tdata_o,
  output logic              m_tvalid_o,
  output logic              m_tlast_o,
  input  logic              m_tready_i
);
  localparam int unsigned BEATS = CHANNELS / E;
  localparam int unsigned TILE_BEATS = TILE / E;
  localparam int unsigned BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;

  if (BITS < 1 || E < 1 || TILE < 1 || CHANNELS < 1 || HEIGHT < 1 || WIDTH < 1 || KERNEL_H < 1 || KERNEL_W < 1) begin : gen_bad_size
    $fatal(1, "window: sizes must be at least 1");
  end
  if (STRIDE_H < 1 || STRIDE_W < 1 || DILATION_H < 1 || DILATION_W < 1) begin : gen_bad_stride
    $fatal(1, "window: stride and dilation must be at least 1");
  end
  if (CHANNELS % TILE != 0 || TILE % E != 0) begin : gen_bad_tile
    $fatal(1, "window: E must divide TILE, and TILE must divide CHANNELS");
  end
  if (HEIGHT + TOP + BOTTOM < (KERNEL_H - 1) * DILATION_H + 1 || WIDTH + LEFT + RIGHT < (KERNEL_W - 1) * DILATION_W + 1) begin : gen_bad_kernel
    $fatal(1, "window: the kernel must fit into the padded map");
  end

  // How far the kernel reaches, and how often it fits.
  localparam int REACH_Y = int'((KERNEL_H - 1) * DILATION_H);
  localparam int REACH_X = int'((KERNEL_W - 1) * DILATION_W);
  localparam int H = int'(HEIGHT);
  localparam int W = int'(WIDTH);
  localparam int SY = int'(STRIDE_H);
  localparam int SX = int'(STRIDE_W);
  localparam int LINES = (H + int'(TOP + BOTTOM) - REACH_Y - 1) / SY + 1;
  localparam int COLUMNS = (W + int'(LEFT + RIGHT) - REACH_X - 1) / SX + 1;

  // From the first tap of a line or frame to the first one of its last window, and from a window's first tap to its last, in pixels.
  localparam int LINE = (COLUMNS - 1) * SX;
  localparam int FRAME = (LINES - 1) * SY * W + LINE;
  localparam int SPAN = REACH_Y * W + REACH_X;

  // A window's first tap is the oldest pixel wanted, unless the map has so much padding that the next line, or frame, starts before it:
  // then it stays behind after FREE_COLUMNS windows of a line, and after FREE_LINES lines.
  localparam int FREE_COLUMNS = LINE <= SY * W ? COLUMNS - 1 : SY * W / SX;
  localparam bit ALL_LINES = (LINES - 1) * SY * W + FREE_COLUMNS * SX <= H * W;
  localparam int FREE_LINES = LINES - 1 <= H / SY ? LINES - 1 : H / SY;
  localparam int FREE_AT_LINE = SY * W - FREE_COLUMNS * SX;
  localparam int FREE_AT_FRAME = H * W - FREE_LINES * SY * W - (ALL_LINES ? FREE_COLUMNS * SX : 0);

  // Row and column of the tap, modulo 2**bits: one unsigned comparison tells whether it is on the map.
  localparam int LAST_ROW = (LINES - 1) * SY + REACH_Y - int'(TOP);
  localparam int LAST_COLUMN = (COLUMNS - 1) * SX + REACH_X - int'(LEFT);
  localparam int unsigned ROWS = TOP + (LAST_ROW >= H ? LAST_ROW + 1 : H);
  localparam int unsigned POSITIONS = LEFT + (LAST_COLUMN >= W ? LAST_COLUMN + 1 : W);
  localparam int unsigned ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;
  localparam int unsigned COLUMN_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1;

  logic step, walk, there_q;  // walk: to the step after the one that the ring is told of, if there is one yet
  assign walk = step || !there_q;
  always_ff @(posedge clk_i) there_q <= rst_ni;

  logic [BEAT_BITS-1:0] beat;
  logic [ROW_BITS-1:0] row_q;
  logic [COLUMN_BITS-1:0] column_q;

  // The loops that end with this step, each inside the next one: the beats of a tile, a kernel's columns and rows, a window's tiles, a line, the frame.
  localparam logic [5:0] LOOPS = {LINES > 1, COLUMNS > 1, BEATS > TILE_BEATS, KERNEL_H > 1, KERNEL_W > 1, TILE_BEATS > 1};  // more than once
  logic tap_ends, kx_ends, ky_ends, window_ends, line_ends, frame_ends, last_part, last_kx, last_ky, last_tile;
  /* verilator lint_off UNUSEDSIGNAL */  // a loop that is gone through once ends with the one inside it
  logic [5:0] at_last;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [6:0] ends;
  assign at_last = {
    row_q == ROW_BITS'(LAST_ROW), column_q == COLUMN_BITS'(LAST_COLUMN), last_tile, last_ky, last_kx, last_part
  };
  assign ends[0] = 1'b1;
  for (genvar i = 0; i < 6; i++) begin : gen_loop
    if (LOOPS[i]) begin : gen_times
      boundary i_end (.word_i(ends[i] && at_last[i]), .word_o(ends[i+1]));
    end else begin : gen_once
      assign ends[i+1] = ends[i];
    end
  end
  assign {frame_ends, line_ends, window_ends, ky_ends, kx_ends, tap_ends} = ends[6:1];

  /* verilator lint_off PINCONNECTEMPTY */  // which one it is nobody asks
  counter #(.COUNT(KERNEL_W)) i_kx (.clk_i, .rst_ni, .step_i(walk && tap_ends), .value_o(), .last_o(last_kx));
  counter #(.COUNT(KERNEL_H)) i_ky (.clk_i, .rst_ni, .step_i(walk && kx_ends), .value_o(), .last_o(last_ky));
  /* verilator lint_on PINCONNECTEMPTY */

  // The beats: through the tile for each tap, through all tiles for each window.
  if (TILE_BEATS > 1) begin : gen_tap_beats
    /* verilator lint_off UNUSEDSIGNAL */  // of several tiles the beat tells
    logic [$clog2(TILE_BEATS)-1:0] part;
    /* verilator lint_on UNUSEDSIGNAL */
    counter #(.COUNT(TILE_BEATS)) i_part (.clk_i, .rst_ni, .step_i(walk), .value_o(part), .last_o(last_part));
    if (BEATS > TILE_BEATS) begin : gen_tiles
      logic [BEAT_BITS-1:0] beat_q;
      assign beat = beat_q;
      assign last_tile = beat_q == BEAT_BITS'(BEATS - 1);
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (walk && window_ends)) beat_q <= '0;
        else if (walk) begin
          if (tap_ends && !ky_ends) beat_q <= beat_q - BEAT_BITS'(TILE_BEATS - 1);
          else beat_q <= beat_q + BEAT_BITS'(1);
        end
      end
    end else begin : gen_one_tile
      assign beat = part;
      assign last_tile = 1'b1;
    end
  end else if (BEATS > 1) begin : gen_tiles
    assign last_part = 1'b1;
    counter #(.COUNT(BEATS)) i_tile (.clk_i, .rst_ni, .step_i(walk && ky_ends), .value_o(beat), .last_o(last_tile));
  end else begin : gen_one_beat
    assign beat = '0;
    assign last_part = 1'b1;
    assign last_tile = 1'b1;
  end

  logic [COUNT_BITS-1:0] back;
  logic [ROW_BITS-1:0] row_move;
  logic [COLUMN_BITS-1:0] column_move;
  always_comb begin
    back        = '0;
    row_move    = '0;
    column_move = '0;
    if (frame_ends) begin
      back        = COUNT_BITS'(SPAN + FRAME - H * W);
      row_move    = ROW_BITS'(-int'(TOP) - LAST_ROW);
      column_move = COLUMN_BITS'(-int'(LEFT) - LAST_COLUMN);
    end else if (line_ends) begin
      back        = COUNT_BITS'(SPAN + LINE - SY * W);
      row_move    = ROW_BITS'(SY - REACH_Y);
      column_move = COLUMN_BITS'(-int'(LEFT) - LAST_COLUMN);
    end else if (window_ends) begin
      back        = COUNT_BITS'(SPAN - SX);
      row_move    = ROW_BITS'(-REACH_Y);
      column_move = COLUMN_BITS'(SX - REACH_X);
    end else if (ky_ends) begin
      back        = COUNT_BITS'(SPAN);
      row_move    = ROW_BITS'(-REACH_Y);
      column_move = COLUMN_BITS'(-REACH_X);
    end else if (kx_ends) begin
      back        = COUNT_BITS'(REACH_X - int'(DILATION_H) * W);
      row_move    = ROW_BITS'(DILATION_H);
      column_move = COLUMN_BITS'(-REACH_X);
    end else if (tap_ends) begin
      back        = COUNT_BITS'(-int'(DILATION_W));
      column_move = COLUMN_BITS'(DILATION_W);
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      row_q    <= ROW_BITS'(-int'(TOP));
      column_q <= COLUMN_BITS'(-int'(LEFT));
    end else if (walk) begin
      row_q    <= row_q + row_move;
      column_q <= column_q + column_move;
    end
  end

  // Do this window, and this line, let go of pixels?
  logic free_column, free_line;
  if (FREE_COLUMNS < COLUMNS - 1) begin : gen_some_columns
    assign free_column = column_q + COLUMN_BITS'(LEFT) < COLUMN_BITS'(FREE_COLUMNS * SX + REACH_X);
  end else begin : gen_all_columns
    assign free_column = 1'b1;
  end
  if (!ALL_LINES) begin : gen_some_lines
    assign free_line = row_q + ROW_BITS'(TOP) < ROW_BITS'(FREE_LINES * SY + REACH_Y);
  end else begin : gen_all_lines
    assign free_line = 1'b1;
  end
  logic [COUNT_BITS-1:0] free;
  always_comb begin
    free = '0;
    if (frame_ends) free = COUNT_BITS'(-FREE_AT_FRAME);
    else if (line_ends) begin
      if (free_line) free = COUNT_BITS'(-FREE_AT_LINE);
    end else if (window_ends) begin
      if (free_line && free_column) free = COUNT_BITS'(-SX);
    end
  end

  logic above_or_below, beside;
  if (TOP > 0 || LAST_ROW >= H) begin : gen_above_or_below
    assign above_or_below = row_q >= ROW_BITS'(H);
  end else begin : gen_never_above_or_below
    assign above_or_below = 1'b0;
  end
  if (LEFT > 0 || LAST_COLUMN >= W) begin : gen_beside
    assign beside = column_q >= COLUMN_BITS'(W);
  end else begin : gen_never_beside
    assign beside = 1'b0;
  end

  logic [BEAT_BITS-1:0] beat_told_q;
  logic [COUNT_BITS-1:0] back_q, free_q;
  logic pad_q, last_q;
  always_ff @(posedge clk_i) begin
    if (walk) begin
      beat_told_q <= beat;
      back_q      <= back;
      free_q      <= free;
      pad_q       <= above_or_below || beside;
      last_q      <= frame_ends;
    end
  end

  ring_buffer #(
    .WIDTH(E * BITS), .BEATS(BEATS), .PIXELS(HEIGHT * WIDTH), .CAPACITY(CAPACITY), .START(-int'(TOP) * W - int'(LEFT)), .COUNT_BITS(COUNT_BITS),
    .BLOCK_RAM(BLOCK_RAM), .PAD_ROWS(PAD_ROWS), .PAD_FILE(PAD_FILE)
  ) i_ring (
    .clk_i, .rst_ni, .s_tdata_i, .s_tvalid_i, .s_tlast_i, .s_tready_o, .m_tdata_o, .m_tvalid_o, .m_tlast_o, .m_tready_i,
    .there_i(there_q), .beat_i(beat_told_q), .pad_i(pad_q), .last_i(last_q), .back_i(back_q), .free_i(free_q), .step_o(step)
  );
endmodule
