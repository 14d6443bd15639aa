// The index of the frame's greatest value, ties to the lowest index. Values come PE a beat, FOLD beats a frame.
module argmax #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned SIGNED = 0,
  parameter int unsigned OUT_BITS = 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [PE*WIDTH-1:0] s_tdata_i,
  input  logic                s_tvalid_i,
  input  logic                s_tlast_i,
  output logic                s_tready_o,
  output logic [OUT_BITS-1:0] m_tdata_o,
  output logic                m_tvalid_o,
  output logic                m_tlast_o,
  input  logic                m_tready_i
);
  localparam int unsigned STEP_BITS = FOLD > 1 ? $clog2(FOLD) : 1;

  if (PE < 1 || FOLD < 1 || WIDTH < 1) begin : gen_bad_size
    $fatal(1, "argmax: PE, FOLD and WIDTH must be at least 1");
  end
  if (OUT_BITS < 1 || OUT_BITS < $clog2(PE * FOLD)) begin : gen_bad_out_bits
    $fatal(1, "argmax: OUT_BITS must hold every index");
  end

  logic step, first, last;
  logic [STEP_BITS-1:0] step_q;
  logic [OUT_BITS-1:0] base_q;  // index of lane 0
  assign first = step_q == '0;
  assign last  = step_q == STEP_BITS'(FOLD - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_q <= '0;
      base_q <= '0;
    end else if (step) begin
      step_q <= last ? '0 : step_q + STEP_BITS'(1);
      base_q <= last ? '0 : base_q + OUT_BITS'(PE);
    end
  end

  step_control #(.DEPTH(1)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(last), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i,
    /* verilator lint_off PINCONNECTEMPTY */  // its one register is the running best, which only steps change
    .advance_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .step_o(step)
  );

  // The best so far, as an unsigned number: flipping a signed value's sign bit keeps the order.
  logic [WIDTH-1:0] best_q, best_d;
  logic [OUT_BITS-1:0] index_q, index_d;
  localparam logic [WIDTH-1:0] SIGN = SIGNED != 0 ? {1'b1, {(WIDTH - 1) {1'b0}}} : '0;
  always_comb begin
    best_d  = best_q;
    index_d = index_q;
    for (int p = 0; p < PE; p++) begin
      if ((s_tdata_i[p*WIDTH+:WIDTH] ^ SIGN) > best_d || (first && p == 0)) begin
        best_d  = s_tdata_i[p*WIDTH+:WIDTH] ^ SIGN;
        index_d = base_q + OUT_BITS'(p);
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (step) begin
      best_q  <= best_d;
      index_q <= index_d;
    end
  end
  assign m_tdata_o = index_q;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * WIDTH), .BEATS(FOLD)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
