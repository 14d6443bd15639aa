// Running sums of products in a DSP48E1 each, accumulator and all: PE lanes, a product a step. An advancing cycle passes from a step to its products; the
// next adds them to the sums so far, or to where a sum starts if it begins with them. w_i holds the weights of a step, then where its sums would start,
// then whether they begin, and on top whether to add now: a cycle later than the rest.
module sums_dsp #(
  parameter int unsigned PE = 1,
  parameter bit SHARED = 1'b1,          // every lane reads the same input; else lane p reads one of its own
  parameter int unsigned X_BITS = 1,
  parameter int unsigned X_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned W_BITS = 1,
  parameter int unsigned W_KIND = 0,
  parameter int unsigned SUM_BITS = 2   // of a sum, which is modulo 2**SUM_BITS
) (
  input  logic                            clk_i,
  input  logic                            advance_i,
  input  logic [(SHARED?1:PE)*X_BITS-1:0] x_i,
  input  logic [PE*(W_BITS+SUM_BITS)+1:0] w_i,
  output logic [PE*SUM_BITS-1:0]          sum_o
);
  if (SUM_BITS > 48) begin : gen_bad_width
    $fatal(1, "sums_dsp: a DSP48E1 adds 48 bits");
  end

  logic adds, first;
  assign {adds, first} = w_i[PE*(W_BITS+SUM_BITS)+:2];
  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [24:0] a;
    logic [17:0] b;
    /* verilator lint_off UNUSEDSIGNAL */  // more than is wanted
    logic [47:0] sum, cascade;
    /* verilator lint_on UNUSEDSIGNAL */
    factors #(.X_BITS(X_BITS), .X_KIND(X_KIND), .W_BITS(W_BITS), .W_KIND(W_KIND)) i_factors (
      .x_i(x_i[(SHARED?0:p)*X_BITS+:X_BITS]), .w_i(w_i[p*W_BITS+:W_BITS]), .a_o(a), .b_o(b)
    );
    multiply_add i_sum (
      .clk_i, .advance_i, .adds_i(adds), .a_i(a), .b_i(b), .first_i(first), .c_i(48'(w_i[PE*W_BITS+p*SUM_BITS+:SUM_BITS])), .p_i('0),
      .p_o(sum), .cascade_o(cascade)
    );
    assign sum_o[p*SUM_BITS+:SUM_BITS] = sum[SUM_BITS-1:0];
  end
endmodule
