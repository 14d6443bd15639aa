// The absolute value of each element: PE signed elements a beat, one beat a step.
module absolute #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,     // beats per frame
  parameter int unsigned WIDTH = 2,    // of a value, two's complement
  parameter int unsigned OUT_BITS = 2  // of its absolute value, unsigned
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [PE*WIDTH-1:0]    s_tdata_i,
  input  logic                   s_tvalid_i,
  input  logic                   s_tlast_i,
  output logic                   s_tready_o,
  output logic [PE*OUT_BITS-1:0] m_tdata_o,
  output logic                   m_tvalid_o,
  output logic                   m_tlast_o,
  input  logic                   m_tready_i
);
  localparam int unsigned STEP_BITS = FOLD > 1 ? $clog2(FOLD) : 1;

  if (PE < 1 || FOLD < 1 || WIDTH < 2 || OUT_BITS < 1 || OUT_BITS > WIDTH) begin : gen_bad_size
    $fatal(1, "absolute: PE and FOLD must be at least 1, WIDTH at least 2, OUT_BITS from 1 to WIDTH");
  end

  logic advance, step, last;
  logic [STEP_BITS-1:0] step_q;
  assign last = step_q == STEP_BITS'(FOLD - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) step_q <= '0;
    else if (step) step_q <= last ? '0 : step_q + STEP_BITS'(1);
  end

  step_control #(.DEPTH(1)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [WIDTH-1:0] x;
    assign x = s_tdata_i[p*WIDTH+:WIDTH];
    always_ff @(posedge clk_i) begin
      // the least value's negative is its own bit pattern, which read without a sign is right
      if (advance) m_tdata_o[p*OUT_BITS+:OUT_BITS] <= OUT_BITS'(x[WIDTH-1] ? -x : x);
    end
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * WIDTH), .BEATS(FOLD)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
