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

  if (BITS < 1 || E < 1 || CHANNELS < 1 || HEIGHT < 1 || WIDTH < 1 || FACTOR_H < 1 || FACTOR_W < 1) begin : gen_bad_size
    $fatal(1, "upsample: sizes must be at least 1");
  end
  if (CHANNELS % E != 0) begin : gen_bad_elements
    $fatal(1, "upsample: E must divide CHANNELS");
  end

  logic step;
  logic [BEAT_BITS-1:0] beat;

  // The loops that end with this step, each inside the next one.
  logic beats_end, pixel_ends, line_ends, row_ends, frame_ends, last_copy, last_column, last_time, last_row;
  assign pixel_ends = beats_end && last_copy;
  assign line_ends  = pixel_ends && last_column;
  assign row_ends   = line_ends && last_time;
  assign frame_ends = row_ends && last_row;
  counter #(.COUNT(BEATS)) i_beat (.clk_i, .rst_ni, .step_i(step), .value_o(beat), .last_o(beats_end));
  /* verilator lint_off PINCONNECTEMPTY */  // which one it is nobody asks
  counter #(.COUNT(FACTOR_W)) i_copy (.clk_i, .rst_ni, .step_i(step && beats_end), .value_o(), .last_o(last_copy));
  counter #(.COUNT(WIDTH)) i_column (.clk_i, .rst_ni, .step_i(step && pixel_ends), .value_o(), .last_o(last_column));
  counter #(.COUNT(FACTOR_H)) i_time (.clk_i, .rst_ni, .step_i(step && line_ends), .value_o(), .last_o(last_time));
  counter #(.COUNT(HEIGHT)) i_row (.clk_i, .rst_ni, .step_i(step && row_ends), .value_o(), .last_o(last_row));
  /* verilator lint_on PINCONNECTEMPTY */

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
    .there_i(1'b1), .beat_i(beat), .pad_i(1'b0), .last_i(frame_ends), .back_i(back), .free_i({COUNT_BITS{pixel_ends && last_time}}),
    .step_o(step)
  );
endmodule
