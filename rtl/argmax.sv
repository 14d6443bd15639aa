// The indices of the K greatest values of each vector, the greatest first, ties to the lower index. Values come PE a beat, FOLD beats a vector; one beat
// leaves per vector, with label j at bit j * OUT_BITS. A new value is compared with all K best at once and pushes the smaller ones down.
module argmax #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,
  parameter int unsigned VECTORS = 1,   // per frame
  parameter int unsigned K = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned SIGNED = 0,
  parameter int unsigned OUT_BITS = 1
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [PE*WIDTH-1:0]   s_tdata_i,
  input  logic                  s_tvalid_i,
  input  logic                  s_tlast_i,
  output logic                  s_tready_o,
  output logic [K*OUT_BITS-1:0] m_tdata_o,
  output logic                  m_tvalid_o,
  output logic                  m_tlast_o,
  input  logic                  m_tready_i
);
  localparam int unsigned STEP_BITS = FOLD > 1 ? $clog2(FOLD) : 1;

  if (PE < 1 || FOLD < 1 || VECTORS < 1 || WIDTH < 1) begin : gen_bad_size
    $fatal(1, "argmax: PE, FOLD, VECTORS and WIDTH must be at least 1");
  end
  if (K < 1 || K > PE * FOLD) begin : gen_bad_k
    $fatal(1, "argmax: K must be at least 1 and at most the number of values");
  end
  if (OUT_BITS < 1 || OUT_BITS < $clog2(PE * FOLD)) begin : gen_bad_out_bits
    $fatal(1, "argmax: OUT_BITS must hold every index");
  end

  logic step, last;
  logic [STEP_BITS-1:0] step_q;
  logic [OUT_BITS-1:0] base_q;  // index of lane 0
  assign last = step_q == STEP_BITS'(FOLD - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_q <= '0;
      base_q <= '0;
    end else if (step) begin
      step_q <= last ? '0 : step_q + STEP_BITS'(1);
      base_q <= last ? '0 : base_q + OUT_BITS'(PE);
    end
  end

  step_control #(.DEPTH(1), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(last), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i,
    /* verilator lint_off PINCONNECTEMPTY */  // its registers are the running best, which only steps change
    .advance_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .step_o(step)
  );

  // The best so far, as unsigned numbers: flipping a signed value's sign bit keeps the order. [0] is the greatest.
  logic [K-1:0][WIDTH-1:0] best_q, best_d;
  logic [K-1:0][OUT_BITS-1:0] index_q, index_d;
  localparam logic [WIDTH-1:0] SIGN = SIGNED != 0 ? {1'b1, {(WIDTH - 1) {1'b0}}} : '0;
  logic [WIDTH-1:0] value;
  logic [K-1:0] beats;  // the value belongs in front of best j
  always_comb begin
    best_d  = best_q;
    index_d = index_q;
    for (int p = 0; p < PE; p++) begin
      value = s_tdata_i[p*WIDTH+:WIDTH] ^ SIGN;
      // Fewer than j + 1 values have come before this one in the first step that begins at or below j - p: place j is still free then.
      for (int j = 0; j < K; j++) beats[j] = value > best_d[j] || (j >= p && 32'(step_q) * PE <= 32'(j - p));
      for (int j = K - 1; j >= 0; j--) begin
        if (beats[j]) begin
          best_d[j]  = j > 0 && beats[j>0?j-1:0] ? best_d[j>0?j-1:0] : value;
          index_d[j] = j > 0 && beats[j>0?j-1:0] ? index_d[j>0?j-1:0] : base_q + OUT_BITS'(p);
        end
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
  stream_rules #(.WIDTH(PE * WIDTH), .BEATS(FOLD * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
