// The indices of the K greatest values of each vector, the greatest first, ties to the lower index. Values come PE a beat, FOLD beats a vector; one beat
// leaves per vector, with label j at bit j * OUT_BITS. For a single label, a pipelined tree finds each beat's greatest, which is compared with the best so
// far, behind one more register if asked. For several, a new value is compared with all K best at once and pushes the smaller ones down, one lane after another in a cycle.
module argmax #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,
  parameter int unsigned VECTORS = 1,   // per frame
  parameter int unsigned K = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned SIGNED = 0,
  parameter int unsigned OUT_BITS = 1,
  parameter bit X_REGISTER = 1'b0       // one more register before the tree of a single label
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
  localparam int unsigned LEVELS = K == 1 ? $clog2(PE) : 0;  // of the tree
  localparam int unsigned LATE = K == 1 ? LEVELS + 32'(X_REGISTER) : 0;  // advancing cycles from a step to the comparison with the best

  if (PE < 1 || FOLD < 1 || VECTORS < 1 || WIDTH < 1) begin : gen_bad_size
    $fatal(1, "argmax: PE, FOLD, VECTORS and WIDTH must be at least 1");
  end
  if (K < 1 || K > PE * FOLD) begin : gen_bad_k
    $fatal(1, "argmax: K must be at least 1 and at most the number of values");
  end
  if (OUT_BITS < 1 || OUT_BITS < $clog2(PE * FOLD)) begin : gen_bad_out_bits
    $fatal(1, "argmax: OUT_BITS must hold every index");
  end

  /* verilator lint_off UNUSEDSIGNAL */  // without a tree, only steps change anything
  logic advance;
  /* verilator lint_on UNUSEDSIGNAL */
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

  step_control #(.DEPTH(1 + LATE), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(last), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );

  logic [PE*WIDTH-1:0] x;
  if (K == 1 && X_REGISTER) begin : gen_x_register
    logic [PE*WIDTH-1:0] x_q;
    always_ff @(posedge clk_i) if (advance) x_q <= s_tdata_i;
    assign x = x_q;
  end else begin : gen_no_x_register
    assign x = s_tdata_i;
  end

  // Flipping a signed value's sign bit, unsigned comparisons keep the order.
  localparam logic [WIDTH-1:0] SIGN = SIGNED != 0 ? {1'b1, {(WIDTH - 1) {1'b0}}} : '0;
  logic [PE-1:0][WIDTH-1:0] values;
  for (genvar p = 0; p < PE; p++) begin : gen_value
    assign values[p] = x[p*WIDTH+:WIDTH] ^ SIGN;
  end

  if (K == 1) begin : gen_one
    localparam int unsigned LANE_BITS = PE > 1 ? $clog2(PE) : 1;
    logic [WIDTH-1:0] value, best_q;
    logic [LANE_BITS-1:0] lane;
    logic [OUT_BITS-1:0] base, index_q;  // the index of lane 0 of the beat that leaves the tree
    logic there, first;
    argmax_tree #(.PE(PE), .WIDTH(WIDTH)) i_tree (.clk_i, .advance_i(advance), .values_i(values), .value_o(value), .lane_o(lane));

    if (LATE > 0) begin : gen_late
      logic [LATE-1:0] there_q, first_q;
      logic [LATE*OUT_BITS-1:0] base_late_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni) there_q <= '0;
        else if (advance) there_q <= LATE'({there_q, step});
        if (advance) begin
          first_q     <= LATE'({first_q, step_q == '0});
          base_late_q <= (LATE * OUT_BITS)'({base_late_q, base_q});
        end
      end
      assign there = there_q[LATE-1] && advance;
      assign first = first_q[LATE-1];
      assign base  = base_late_q[(LATE-1)*OUT_BITS+:OUT_BITS];
    end else begin : gen_now
      assign there = step;
      assign first = step_q == '0;
      assign base  = base_q;
    end

    // A fast clock leaves no time for a LUT behind the carry chain: there, whether a value comes at all and is the first is a digit of both numbers.
    logic better;
    if (X_REGISTER) begin : gen_in_chain
      assign better = {there, value} > {!(there && first), best_q};
    end else begin : gen_behind
      assign better = there && (first || value > best_q);
    end
    always_ff @(posedge clk_i) begin
      if (better) begin
        best_q  <= value;
        index_q <= base + OUT_BITS'(lane);
      end
    end
    assign m_tdata_o = index_q;
  end else begin : gen_several
    logic [K*WIDTH-1:0] best_q, best_d;  // [0] is the greatest
    logic [K*OUT_BITS-1:0] index_q, index_d;
    logic [K-1:0] beats;  // the value belongs in front of best j
    always_comb begin
      best_d  = best_q;
      index_d = index_q;
      for (int p = 0; p < PE; p++) begin
        // Fewer than j + 1 values have come before this one in the first step that begins at or below j - p: place j is still free then.
        for (int j = 0; j < K; j++) beats[j] = values[p] > best_d[j*WIDTH+:WIDTH] || (j >= p && 32'(step_q) * PE <= 32'(j - p));
        for (int j = K - 1; j >= 0; j--) begin
          if (beats[j]) begin
            best_d[j*WIDTH+:WIDTH] = j > 0 && beats[j>0?j-1:0] ? best_d[(j>0?j-1:0)*WIDTH+:WIDTH] : values[p];
            index_d[j*OUT_BITS+:OUT_BITS] = j > 0 && beats[j>0?j-1:0] ? index_d[(j>0?j-1:0)*OUT_BITS+:OUT_BITS] : base_q + OUT_BITS'(p);
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
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * WIDTH), .BEATS(FOLD * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
