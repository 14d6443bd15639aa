// Shift-register FIFO: a new beat shifts in at index 0, the oldest one sits at index `tap_q`. Each bit is then one addressable shift register
// (SRL16E or SRLC32E on 7-series: one LUT holds 16 or 32 beats), and one counter is all that it takes: the least for narrow beats, and for depths between
// those of LUT RAM and block RAM. A beat that enters is visible the next cycle; s_tready_o and m_tvalid_o are registers.
module fifo_shift #(
  parameter int unsigned WIDTH = 1,  // of a beat
  parameter int unsigned DEPTH = 2   // beats, at least 2 (with 1 the FIFO could not take a beat every cycle)
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [WIDTH-1:0] s_tdata_i,
  input  logic             s_tvalid_i,
  output logic             s_tready_o,
  output logic [WIDTH-1:0] m_tdata_o,
  output logic             m_tvalid_o,
  input  logic             m_tready_i
);
  localparam int unsigned TAP_BITS = $clog2(DEPTH);

  if (WIDTH < 1) begin : gen_bad_width
    $fatal(1, "fifo_shift: WIDTH must be at least 1");
  end
  if (DEPTH < 2) begin : gen_bad_depth
    $fatal(1, "fifo_shift: DEPTH must be at least 2");
  end

  logic [TAP_BITS-1:0] tap_q;  // index of the oldest beat; beats held are tap_q + 1 when valid_q
  logic valid_q, full_q, push, pop;

  assign push = s_tvalid_i && s_tready_o;
  assign pop  = m_tvalid_o && m_tready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tap_q   <= '0;
      valid_q <= 1'b0;
      full_q  <= 1'b0;
    end else if (push && !pop) begin
      if (valid_q) tap_q <= tap_q + TAP_BITS'(1);
      valid_q <= 1'b1;
      full_q  <= valid_q && tap_q == TAP_BITS'(DEPTH - 2);
    end else if (pop && !push) begin
      if (tap_q != '0) tap_q <= tap_q - TAP_BITS'(1);
      valid_q <= tap_q != '0;
      full_q  <= 1'b0;
    end
  end

  for (genvar b = 0; b < WIDTH; b++) begin : gen_bit
    logic [DEPTH-1:0] shift_q;
    always_ff @(posedge clk_i) if (push) shift_q <= {shift_q[DEPTH-2:0], s_tdata_i[b]};
    assign m_tdata_o[b] = shift_q[tap_q];
  end

  assign m_tvalid_o = valid_q;
  assign s_tready_o = !full_q;
endmodule
