// Per channel x * mul + add, exactly: the common integer scale that makes classes with different real scales comparable.
// The product and the sum have a register each.
module channel_affine #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,       // beats per vector (all channels once)
  parameter int unsigned VECTORS = 1,    // per frame
  parameter int unsigned WIDTH = 1,      // of a value
  parameter int unsigned SIGNED = 0,
  parameter int unsigned MUL_BITS = 1,   // of a factor, signed
  parameter int unsigned ADD_BITS = 1,   // of an addend, signed
  parameter int unsigned OUT_BITS = 1,   // wide enough for every result
  parameter MUL_FILE = "",               // FOLD words; lane p at bit p * MUL_BITS
  parameter ADD_FILE = ""                // FOLD words; lane p at bit p * ADD_BITS
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
  localparam int unsigned FULL_BITS = WIDTH + 1 + MUL_BITS;
  localparam int unsigned PRODUCT_BITS = FULL_BITS < OUT_BITS ? FULL_BITS : OUT_BITS;

  if (PE < 1 || FOLD < 1 || VECTORS < 1 || WIDTH < 1 || MUL_BITS < 1 || ADD_BITS < 1 || OUT_BITS < 1) begin : gen_bad_size
    $fatal(1, "channel_affine: sizes must be at least 1");
  end

  logic advance, step, last, summed_q;
  logic [STEP_BITS-1:0] step_q;
  assign last = step_q == STEP_BITS'(FOLD - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) step_q <= '0;
    else if (step) step_q <= last ? '0 : step_q + STEP_BITS'(1);
    if (!rst_ni) summed_q <= 1'b0;
    else if (advance) summed_q <= step;
  end

  step_control #(.DEPTH(2), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );

  logic [PE*MUL_BITS-1:0] mul;
  logic [PE*ADD_BITS-1:0] add;
  cyclic_rom #(.WIDTH(PE * MUL_BITS), .DEPTH(FOLD), .IN_DSP(1'b1), .FILE(MUL_FILE)) i_mul (.clk_i, .rst_ni, .next_i(step), .word_o(mul));
  cyclic_rom #(.WIDTH(PE * ADD_BITS), .DEPTH(FOLD), .IN_DSP(1'b1), .FILE(ADD_FILE)) i_add (
    .clk_i, .rst_ni, .next_i(advance && summed_q), .word_o(add)
  );

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    /* verilator lint_off UNUSEDSIGNAL */  // all is modulo 2**OUT_BITS
    logic signed [WIDTH:0] x;
    logic signed [MUL_BITS-1:0] factor;
    logic signed [ADD_BITS-1:0] addend;
    /* verilator lint_on UNUSEDSIGNAL */
    logic signed [PRODUCT_BITS-1:0] product_q;
    logic [OUT_BITS-1:0] sum_q;
    assign x = {SIGNED != 0 && s_tdata_i[p*WIDTH+WIDTH-1], s_tdata_i[p*WIDTH+:WIDTH]};
    assign factor = mul[p*MUL_BITS+:MUL_BITS];
    assign addend = add[p*ADD_BITS+:ADD_BITS];
    always_ff @(posedge clk_i) begin
      if (advance) begin
        product_q <= PRODUCT_BITS'(x) * PRODUCT_BITS'(factor);
        sum_q     <= OUT_BITS'(product_q) + OUT_BITS'(addend);
      end
    end
    assign m_tdata_o[p*OUT_BITS+:OUT_BITS] = sum_q;
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * WIDTH), .BEATS(FOLD * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
