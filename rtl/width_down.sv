// Splits each input beat into RATIO output beats, low part first. Combinational (depth 0): the input beat waits while its parts leave.
// The frame's length is the source's business, so the last flag passes through: it belongs to the last part of the last beat.
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

  logic [PART_BITS-1:0] part_q;
  logic last_part;

  assign last_part = part_q == PART_BITS'(RATIO - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) part_q <= '0;
    else if (s_tvalid_i && m_tready_i) part_q <= last_part ? '0 : part_q + PART_BITS'(1);
  end

  logic [RATIO-1:0][WIDTH-1:0] parts;
  assign parts      = s_tdata_i;
  assign m_tdata_o  = parts[part_q];
  assign m_tvalid_o = s_tvalid_i;
  assign m_tlast_o  = s_tlast_i && last_part;
  assign s_tready_o = m_tready_i && last_part;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(RATIO * WIDTH), .BEATS(0)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
