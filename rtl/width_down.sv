// Splits each input beat into RATIO output beats, low part first. A step takes the beat and gives its first part, the other steps give the rest from
// a register: so the source goes on while the parts leave, and a block whose pipeline stalls with its output does not wait for them.
module width_down #(
  parameter int unsigned WIDTH = 1,  // bits of an output beat
  parameter int unsigned RATIO = 2   // output beats per input beat
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [RATIO*WIDTH-1:0] s_tdata_i,
  input  logic                   s_tvalid_i,
  input  logic                   s_tlast_i,
  output logic                   s_tready_o,
  output logic [WIDTH-1:0]       m_tdata_o,
  output logic                   m_tvalid_o,
  output logic                   m_tlast_o,
  input  logic                   m_tready_i
);
  localparam int unsigned PART_BITS = $clog2(RATIO);

  if (WIDTH < 1) begin : gen_bad_width
    $fatal(1, "width_down: WIDTH must be at least 1");
  end
  if (RATIO < 2) begin : gen_bad_ratio
    $fatal(1, "width_down: RATIO must be at least 2");
  end

  // The part at the output, of the beat in the register.
  logic [PART_BITS-1:0] part_q;
  logic valid_q, last_q, last_part;
  logic [RATIO-1:0][WIDTH-1:0] parts_q;
  logic [PART_BITS-1:0] part;
  boundary #(.WIDTH(PART_BITS)) i_part_seen (.word_i(part_q), .word_o(part));  // apart from the adder, as in counter
  boundary i_last_part (.word_i(part == PART_BITS'(RATIO - 1)), .word_o(last_part));
  assign s_tready_o = !valid_q || (m_tready_i && last_part);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      part_q  <= '0;
    end else if (s_tready_o) begin
      valid_q <= s_tvalid_i;
      part_q  <= '0;
    end else if (m_tready_i) begin
      part_q <= part_q + PART_BITS'(1);
    end
    if (s_tready_o) begin
      parts_q <= s_tdata_i;
      last_q  <= s_tlast_i;
    end
  end

  choose #(.WIDTH(WIDTH), .COUNT(RATIO)) i_part (.words_i(parts_q), .index_i(part), .word_o(m_tdata_o));
  assign m_tvalid_o = valid_q;
  assign m_tlast_o  = last_q && last_part;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(RATIO * WIDTH), .BEATS(0)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
