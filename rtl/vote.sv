// How much weight the labels of a beat give to each class: y[c] = sum of weight[m] over all m with label[m] == c. A beat holds all labels of a vector and
// stays while FOLD beats of PE classes leave; the last of these steps takes it. The comparisons have a register, and so has the sum: depth 2.
module vote #(
  parameter int unsigned LABELS = 1,
  parameter int unsigned LABEL_BITS = 1,
  parameter int unsigned PE = 1,           // classes an output beat
  parameter int unsigned FOLD = 1,         // output beats a vector
  parameter int unsigned VECTORS = 1,      // per frame
  parameter int unsigned WEIGHT_BITS = 1,
  parameter int unsigned OUT_BITS = 1,     // wide enough for the sum of all weights
  parameter WEIGHT_FILE = ""               // one word; the weight of label m at bit m * WEIGHT_BITS
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic [LABELS*LABEL_BITS-1:0] s_tdata_i,
  input  logic                         s_tvalid_i,
  input  logic                         s_tlast_i,
  output logic                         s_tready_o,
  output logic [PE*OUT_BITS-1:0]       m_tdata_o,
  output logic                         m_tvalid_o,
  output logic                         m_tlast_o,
  input  logic                         m_tready_i
);
  localparam int unsigned STEP_BITS = FOLD > 1 ? $clog2(FOLD) : 1;

  if (LABELS < 1 || LABEL_BITS < 1 || PE < 1 || FOLD < 1 || WEIGHT_BITS < 1 || OUT_BITS < 1) begin : gen_bad_size
    $fatal(1, "vote: sizes must be at least 1");
  end
  if (LABEL_BITS < $clog2(PE * FOLD)) begin : gen_bad_label_bits
    $fatal(1, "vote: LABEL_BITS must hold every class");
  end

  logic advance, step, last;
  logic [STEP_BITS-1:0] step_q;
  logic [LABEL_BITS-1:0] base_q;  // class of lane 0
  assign last = step_q == STEP_BITS'(FOLD - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_q <= '0;
      base_q <= '0;
    end else if (step) begin
      step_q <= last ? '0 : step_q + STEP_BITS'(1);
      base_q <= last ? '0 : base_q + LABEL_BITS'(PE);
    end
  end

  step_control #(.DEPTH(2), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i,
    /* verilator lint_off PINCONNECTEMPTY */  // of the steps that need a beat: here all look at it, and the last one takes it
    .s_tready_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );
  assign s_tready_o = advance && last;

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [LABELS-1:0] match_q;
    logic [OUT_BITS-1:0] sum, sum_q;
    weighted_count #(.INPUTS(LABELS), .WEIGHT_BITS(WEIGHT_BITS), .OUT_BITS(OUT_BITS), .FILE(WEIGHT_FILE)) i_count (.bits_i(match_q), .sum_o(sum));
    always_ff @(posedge clk_i) begin
      if (advance) begin
        for (int m = 0; m < LABELS; m++) match_q[m] <= s_tdata_i[m*LABEL_BITS+:LABEL_BITS] == base_q + LABEL_BITS'(p);
        sum_q <= sum;
      end
    end
    assign m_tdata_o[p*OUT_BITS+:OUT_BITS] = sum_q;
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(LABELS * LABEL_BITS), .BEATS(VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
