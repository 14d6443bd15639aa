// Keeps the pixels of a stream until they have been read as often and in whatever order the surrounding block counts out: the heart of the sliding window
// and of the upsampler. A pixel is BEATS beats; the ring holds CAPACITY pixels.
// Where a step looks (`tap`) and from where on pixels are still wanted (`oldest`) are distances along the stream, through all frames. Neither is ever
// held: what the ring keeps is the read address, and two differences whose signs answer everything. One frame follows the other without a seam,
// so the writer runs ahead into the next one. Both may point to before the stream's start (padding above and left of the map): START is such a pixel.
// The ring is filled downwards, and the surrounding block says how far it goes back: then the address and both differences add the same few constants,
// and a pixel written is a carry.
module ring_buffer #(
  parameter int unsigned WIDTH = 1,       // of a beat
  parameter int unsigned BEATS = 1,       // beats a pixel
  parameter int unsigned PIXELS = 1,      // a frame, for the assertion
  parameter int unsigned CAPACITY = 2,    // pixels: a power of two, so that addresses wrap for free
  parameter int START = 0,                // of the frame's first step: the pixel that it looks at, and the oldest one wanted
  parameter int unsigned COUNT_BITS = 3,  // holds both differences, signed
  parameter bit BLOCK_RAM = 1'b0,         // and one more register, instead of LUT RAM
  parameter int unsigned PAD_ROWS = 0,    // words in PAD_FILE: BEATS, 1 for all of them alike, or 0 for zeros
  parameter PAD_FILE = "",
  localparam int unsigned BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [WIDTH-1:0]      s_tdata_i,
  input  logic                  s_tvalid_i,
  input  logic                  s_tlast_i,
  output logic                  s_tready_o,
  output logic [WIDTH-1:0]      m_tdata_o,
  output logic                  m_tvalid_o,
  output logic                  m_tlast_o,
  input  logic                  m_tready_i,
  // The step to come
  input  logic                  there_i,  // what follows tells of one
  /* verilator lint_off UNUSEDSIGNAL */  // a pixel of one beat has no others
  input  logic [BEAT_BITS-1:0]  beat_i,   // which beat of the pixel it reads
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic                  pad_i,    // it reads nothing, so it does not wait, and gives the pad word
  input  logic                  last_i,   // of the frame
  input  logic [COUNT_BITS-1:0] back_i,   // pixels from the next step's tap to its own, signed: mostly negative
  input  logic [COUNT_BITS-1:0] free_i,   // minus the pixels that no step after it wants
  output logic                  step_o
);
  localparam int unsigned PIXEL_BITS = $clog2(CAPACITY);
  localparam int unsigned ADDR_BITS = $clog2(BEATS * CAPACITY);

  if (WIDTH < 1 || BEATS < 1 || PIXELS < 1) begin : gen_bad_size
    $fatal(1, "ring_buffer: WIDTH, BEATS and PIXELS must be at least 1");
  end
  if (CAPACITY < 2 || CAPACITY != 2 ** PIXEL_BITS) begin : gen_bad_capacity
    $fatal(1, "ring_buffer: CAPACITY must be a power of two, at least 2");
  end
  if (COUNT_BITS <= PIXEL_BITS) begin : gen_bad_count_bits
    $fatal(1, "ring_buffer: COUNT_BITS must hold -CAPACITY");
  end
  if (PAD_ROWS > 1 && PAD_ROWS != BEATS) begin : gen_bad_pad_rows
    $fatal(1, "ring_buffer: PAD_ROWS must be 0, 1 or BEATS");
  end

  // The writer.
  logic write, wrote_pixel;
  logic [BEAT_BITS-1:0] write_beat;
  logic [PIXEL_BITS-1:0] write_pixel_q;
  assign write = s_tvalid_i && s_tready_o;
  if (BEATS > 1) begin : gen_write_beat
    logic last_beat;
    counter #(.COUNT(BEATS)) i_write_beat (.clk_i, .rst_ni, .step_i(write), .value_o(write_beat), .last_o(last_beat));
    assign wrote_pixel = write && last_beat;
  end else begin : gen_write_pixel
    assign write_beat  = '0;
    assign wrote_pixel = write;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) write_pixel_q <= '0;
    else if (wrote_pixel) write_pixel_q <= write_pixel_q - PIXEL_BITS'(1);
  end

  // The reader.
  logic advance, have;
  logic [PIXEL_BITS-1:0] read_pixel_q;
  logic [COUNT_BITS-1:0] ahead_q, ahead_d;  // written - tap - 1, in pixels: negative while the tap's is missing
  logic [COUNT_BITS-1:0] held_q, held_d;    // written - oldest - CAPACITY: negative while there is room
  /* verilator lint_off UNUSEDSIGNAL */  // where the carries come in
  logic ahead_low, held_low;
  /* verilator lint_on UNUSEDSIGNAL */
  assign {ahead_d, ahead_low} = {ahead_q, 1'b1} + {step_o ? back_i : '0, wrote_pixel};
  assign {held_d, held_low}   = {held_q, 1'b1} + {step_o ? free_i : '0, wrote_pixel};
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_pixel_q <= PIXEL_BITS'(-START);
      ahead_q      <= COUNT_BITS'(-START - 1);
      held_q       <= COUNT_BITS'(-START - int'(CAPACITY));
    end else begin
      if (step_o) read_pixel_q <= read_pixel_q + back_i[PIXEL_BITS-1:0];
      ahead_q <= ahead_d;
      held_q  <= held_d;
    end
  end
  assign s_tready_o = held_q[COUNT_BITS-1];

  if (START < 0) begin : gen_pad_first
    // Padding, too, waits for a frame to begin.
    logic first_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) first_q <= 1'b1;
      else if (step_o) first_q <= last_i;
    end
    assign have = first_q ? $signed(ahead_q) >= $signed(COUNT_BITS'(-START)) : pad_i || !ahead_q[COUNT_BITS-1];
  end else begin : gen_pixel_first
    assign have = pad_i || !ahead_q[COUNT_BITS-1];
  end

  step_control #(.DEPTH(BLOCK_RAM ? 2 : 1)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i, .s_tvalid_i(have && there_i),
    /* verilator lint_off PINCONNECTEMPTY */  // a step takes nothing from the stream
    .s_tready_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o
  );

  logic [WIDTH-1:0] pad;
  if (PAD_ROWS == 0) begin : gen_zero
    assign pad = '0;
  end else if (PAD_ROWS == 1) begin : gen_pad
    logic [WIDTH-1:0] words[1];
    initial $readmemh(PAD_FILE, words);
    assign pad = words[0];
  end else begin : gen_pads
    rom #(.FILE_WIDTH(WIDTH), .WIDTH(WIDTH), .DEPTH(PAD_ROWS), .FILE(PAD_FILE)) i_rom (.addr_i(beat_i), .word_o(pad));
  end

  // The writer never writes where the reader reads: a pixel CAPACITY further on waits until this one is no more wanted.
  logic [ADDR_BITS-1:0] write_addr, read_addr;
  logic [WIDTH-1:0] word_q;
  assign write_addr = ADDR_BITS'({write_beat, write_pixel_q});
  assign read_addr  = ADDR_BITS'({beat_i, read_pixel_q});
  if (BLOCK_RAM) begin : gen_block_ram
    (* ram_style = "block", no_rw_check *) logic [WIDTH-1:0] words[BEATS*CAPACITY];
    logic [WIDTH-1:0] read_q, pad_q;
    logic is_pad_q;
    always_ff @(posedge clk_i) if (write) words[write_addr] <= s_tdata_i;
    always_ff @(posedge clk_i) if (advance) read_q <= words[read_addr];
    always_ff @(posedge clk_i) begin
      if (advance) begin
        is_pad_q <= pad_i;
        pad_q    <= pad;
        word_q   <= is_pad_q ? pad_q : read_q;
      end
    end
  end else begin : gen_lut_ram
    logic [WIDTH-1:0] read;
    lut_ram #(.WIDTH(WIDTH), .DEPTH(BEATS * CAPACITY)) i_ram (
      .clk_i, .write_i(write), .write_addr_i(write_addr), .word_i(s_tdata_i), .read_addr_i(read_addr), .word_o(read)
    );
    always_ff @(posedge clk_i) if (advance) word_q <= pad_i ? pad : read;
  end
  assign m_tdata_o = word_q;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(WIDTH), .BEATS(PIXELS * BEATS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
