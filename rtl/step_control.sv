// The rule that every block with a pipeline keeps (docs/architecture.md, "Blocks are step machines"): the whole pipeline advances or nothing does,
// a step waits for an input beat only if it needs one (and then takes it), and DEPTH advancing cycles after a step that gives, its output beat is valid.
// A frame is VECTORS times the same steps; m_tlast_o comes with the last beat of the last vector.
module step_control #(
  parameter int unsigned DEPTH = 1,
  parameter int unsigned VECTORS = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic need_i,      // the step to come takes an input beat
  input  logic give_i,      // the step to come yields an output beat
  input  logic last_i,      // ... which is the vector's last
  input  logic s_tvalid_i,
  output logic s_tready_o,
  output logic m_tvalid_o,
  output logic m_tlast_o,
  input  logic m_tready_i,
  output logic advance_o,   // pipeline registers load
  output logic step_o       // counters move
);
  if (DEPTH < 1) begin : gen_bad_depth
    $fatal(1, "step_control: DEPTH must be at least 1");
  end
  if (VECTORS < 1) begin : gen_bad_vectors
    $fatal(1, "step_control: VECTORS must be at least 1");
  end

  logic last_vector;
  if (VECTORS > 1) begin : gen_vectors
    counter #(.COUNT(VECTORS)) i_vector (
      .clk_i, .rst_ni, .step_i(step_o && give_i && last_i),
      /* verilator lint_off PINCONNECTEMPTY */  // which one it is nobody asks
      .value_o(),
      /* verilator lint_on PINCONNECTEMPTY */
      .last_o(last_vector)
    );
  end else begin : gen_one_vector
    assign last_vector = 1'b1;
  end

  logic [DEPTH:0] valid, last;  // [0] is the step to come, [DEPTH] the output
  logic [DEPTH-1:0] valid_q, last_q;

  assign advance_o  = !m_tvalid_o || m_tready_i;
  assign step_o     = advance_o && (s_tvalid_i || !need_i);
  assign s_tready_o = advance_o && need_i;

  assign valid = {valid_q, step_o && give_i};
  assign last  = {last_q, last_i && last_vector};
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else if (advance_o) valid_q <= valid[DEPTH-1:0];
    if (advance_o) last_q <= last[DEPTH-1:0];
  end
  assign m_tvalid_o = valid[DEPTH];
  assign m_tlast_o  = last[DEPTH];
endmodule
