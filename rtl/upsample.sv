// Nearest-neighbour upsampling: gives every pixel FACTOR_W times in its row, and every row FACTOR_H times. Rows wait in a ring; the last time a row is
// read, each pixel makes room as it goes.
module upsample #(
  parameter int unsigned BITS = 1,        // of an element
  parameter int unsigned E = 1,           // elements a beat
  parameter int unsigned CHANNELS = 1,
  parameter int unsigned HEIGHT = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned FACTOR_H = 1,
  parameter int unsigned FACTOR_W = 1,
  parameter int unsigned CAPACITY = 2,    // pixels in the ring; see ring_buffer
  parameter int unsigned COUNT_BITS = 3,
  parameter bit BLOCK_RAM = 1'b0
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
  localparam int unsigned BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int unsigned REPEAT_X_BITS = FACTOR_W > 1 ? $clog2(FACTOR_W) : 1;
  localparam int unsigned REPEAT_Y_BITS = FACTOR_H > 1 ? $clog2(FACTOR_H) : 1;
  localparam int unsigned COLUMN_BITS = WIDTH > 1 ? $clog2(WIDTH) : 1;
  localparam int unsigned ROW_BITS = HEIGHT > 1 ? $clog2(HEIGHT) : 1;

  if (BITS < 1 || E < 1 || CHANNELS < 1 || HEIGHT < 1 || WIDTH < 1 || FACTOR_H < 1 || FACTOR_W < 1) begin : gen_bad_size
    $fatal(1, "upsample: sizes must be at least 1");
  end
  if (CHANNELS % E != 0) begin : gen_bad_elements
    $fatal(1, "upsample: E must divide CHANNELS");
  end

  logic step;
  logic [BEAT_BITS-1:0] beat_q;
  logic [REPEAT_X_BITS-1:0] repeat_x_q;
  logic [REPEAT_Y_BITS-1:0] repeat_y_q;
  logic [COLUMN_BITS-1:0] column_q;
  logic [ROW_BITS-1:0] row_q;

  // The loops that end with this step, each inside the next one.
  logic beats_end, pixel_ends, line_ends, row_ends, frame_ends, last_time;
  assign last_time  = repeat_y_q == REPEAT_Y_BITS'(FACTOR_H - 1);
  assign beats_end  = beat_q == BEAT_BITS'(BEATS - 1);
  assign pixel_ends = beats_end && repeat_x_q == REPEAT_X_BITS'(FACTOR_W - 1);
  assign line_ends  = pixel_ends && column_q == COLUMN_BITS'(WIDTH - 1);
  assign row_ends   = line_ends && last_time;
  assign frame_ends = row_ends && row_q == ROW_BITS'(HEIGHT - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q     <= '0;
      repeat_x_q <= '0;
      repeat_y_q <= '0;
      column_q   <= '0;
      row_q      <= '0;
    end else if (step) begin
      beat_q <= beats_end ? '0 : beat_q + BEAT_BITS'(1);
      if (beats_end) repeat_x_q <= pixel_ends ? '0 : repeat_x_q + REPEAT_X_BITS'(1);
      if (pixel_ends) column_q <= line_ends ? '0 : column_q + COLUMN_BITS'(1);
      if (line_ends) repeat_y_q <= row_ends ? '0 : repeat_y_q + REPEAT_Y_BITS'(1);
      if (row_ends) row_q <= frame_ends ? '0 : row_q + ROW_BITS'(1);
    end
  end

  logic [COUNT_BITS-1:0] back;
  always_comb begin
    back = '0;
    if (line_ends && !last_time) back = COUNT_BITS'(WIDTH - 1);
    else if (pixel_ends) back = '1;
  end

  ring_buffer #(
    .WIDTH(E * BITS), .BEATS(BEATS), .PIXELS(HEIGHT * WIDTH), .CAPACITY(CAPACITY), .COUNT_BITS(COUNT_BITS), .BLOCK_RAM(BLOCK_RAM)
  ) i_ring (
    .clk_i, .rst_ni, .s_tdata_i, .s_tvalid_i, .s_tlast_i, .s_tready_o, .m_tdata_o, .m_tvalid_o, .m_tlast_o, .m_tready_i,
    .beat_i(beat_q), .pad_i(1'b0), .last_i(frame_ends), .back_i(back), .free_i({COUNT_BITS{pixel_ends && last_time}}), .step_o(step)
  );
endmodule
