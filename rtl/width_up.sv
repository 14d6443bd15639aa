// Joins RATIO input beats into one output beat, the first lowest. Depth 0: the last part goes straight through beside the stored ones,
// so only RATIO - 1 parts cost registers.
module width_up #(
  parameter int unsigned WIDTH = 1,  // bits of an input beat
  parameter int unsigned RATIO = 2,  // input beats per output beat
  parameter int unsigned BEATS = 2   // input beats per frame, a multiple of RATIO
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [WIDTH-1:0]       s_tdata_i,
  input  logic                   s_tvalid_i,
  input  logic                   s_tlast_i,
  output logic                   s_tready_o,
  output logic [RATIO*WIDTH-1:0] m_tdata_o,
  output logic                   m_tvalid_o,
  output logic                   m_tlast_o,
  input  logic                   m_tready_i
);
  localparam int unsigned PART_BITS = $clog2(RATIO);

  if (WIDTH < 1) begin : gen_bad_width
    $fatal(1, "width_up: WIDTH must be at least 1");
  end
  if (RATIO < 2) begin : gen_bad_ratio
    $fatal(1, "width_up: RATIO must be at least 2");
  end
  if (BEATS < 1 || BEATS % RATIO != 0) begin : gen_bad_beats
    $fatal(1, "width_up: BEATS must be a positive multiple of RATIO");
  end

  logic [PART_BITS-1:0] part_q, part;
  boundary #(.WIDTH(PART_BITS)) i_part (.word_i(part_q), .word_o(part));  // apart from the adder, as in counter
  logic give;
  logic [RATIO-2:0][WIDTH-1:0] stored_q;

  // The handshakes of both sides pass through in the same cycle: what they wait for is a register.
  if (RATIO == 2) begin : gen_pair
    assign give = part[0];
  end else begin : gen_more
    logic give_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) give_q <= 1'b0;
      else if (s_tvalid_i && s_tready_o) give_q <= part == PART_BITS'(RATIO - 2);
    end
    assign give = give_q;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni || (m_tvalid_o && m_tready_i)) part_q <= '0;
    else if (s_tvalid_i && s_tready_o) part_q <= part_q + PART_BITS'(1);
  end

  // Each part has its own enable: no data multiplexer, where a shift register would have toggled every bit.
  for (genvar r = 0; r < RATIO - 1; r++) begin : gen_part
    always_ff @(posedge clk_i) if (s_tvalid_i && part == PART_BITS'(r)) stored_q[r] <= s_tdata_i;
  end

  assign m_tdata_o  = {s_tdata_i, stored_q};
  assign m_tvalid_o = s_tvalid_i && give;
  assign m_tlast_o  = s_tlast_i;
  assign s_tready_o = m_tready_i || !give;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(WIDTH), .BEATS(BEATS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
