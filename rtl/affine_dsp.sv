// x * mul + add in DSP48E1s, PE lanes: in one each if the factors have 18 and 25 bits, else in two, of up to 25 and 35 bits. With REGISTER the factors
// wait in the DSP48E1's own registers first: for words and values that come late. REGISTER + 2 advancing cycles pass, with two DSP48E1s one more.
module affine_dsp #(
  parameter int unsigned PE = 1,
  parameter int unsigned X_BITS = 1,
  parameter bit SIGNED = 1'b0,          // of x; words are
  parameter int unsigned MUL_BITS = 1,
  parameter int unsigned ADD_BITS = 1,
  parameter int unsigned SUM_BITS = 1,  // of a result, which is modulo 2**SUM_BITS
  parameter bit REGISTER = 1'b0
) (
  input  logic                              clk_i,
  input  logic                              advance_i,
  input  logic [PE*X_BITS-1:0]              x_i,
  input  logic [PE*(MUL_BITS+ADD_BITS)-1:0] w_i,   // all factors, then all addends
  output logic [PE*SUM_BITS-1:0]            sum_o
);
  localparam int unsigned X_SIGNED = SIGNED ? X_BITS : X_BITS + 1;
  localparam int unsigned NARROW = X_SIGNED < MUL_BITS ? X_SIGNED : MUL_BITS;
  localparam int unsigned WIDE = X_SIGNED < MUL_BITS ? MUL_BITS : X_SIGNED;
  localparam bit TWO = NARROW > 18 || WIDE > 25;
  localparam bit X_IS_B = TWO == (X_SIGNED > MUL_BITS);  // the factor of 18 bits, or the one that is cut
  localparam int unsigned CUT = 17;

  if (NARROW > 25 || WIDE > 35 || (TWO ? ADD_BITS > 46 : SUM_BITS > 48)) begin : gen_bad_width
    $fatal(1, "affine_dsp: wider than two DSP48E1s");
  end

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic signed [X_SIGNED-1:0] x;
    logic signed [MUL_BITS-1:0] mul;
    logic signed [ADD_BITS-1:0] add_d, add;
    assign x = X_SIGNED'({SIGNED && x_i[p*X_BITS+X_BITS-1], x_i[p*X_BITS+:X_BITS]});
    assign mul = w_i[p*MUL_BITS+:MUL_BITS];
    assign add_d = w_i[PE*MUL_BITS+p*ADD_BITS+:ADD_BITS];
    if (REGISTER) begin : gen_register
      logic signed [ADD_BITS-1:0] add_q;
      always_ff @(posedge clk_i) if (advance_i) add_q <= add_d;
      assign add = add_q;
    end else begin : gen_no_register
      assign add = add_d;
    end

    logic [24:0] a;
    /* verilator lint_off UNUSEDSIGNAL */  // more than is wanted
    logic [34:0] b;
    logic [47:0] low, low_cascade;
    /* verilator lint_on UNUSEDSIGNAL */
    assign a = X_IS_B ? 25'(mul) : 25'(x);
    assign b = X_IS_B ? 35'(x) : 35'(mul);
    multiply_add #(.REGISTERS(32'(REGISTER))) i_low (
      .clk_i, .advance_i, .adds_i(advance_i), .a_i(a), .b_i(TWO ? {1'b0, b[CUT-1:0]} : b[CUT:0]), .first_i(1'b1), .c_i(48'(add)), .p_i('0),
      .p_o(low), .cascade_o(low_cascade)
    );
    if (TWO) begin : gen_two
      /* verilator lint_off UNUSEDSIGNAL */
      logic [47:0] high, high_cascade;
      logic [48+CUT-1:0] sum;
      /* verilator lint_on UNUSEDSIGNAL */
      multiply_add #(.REGISTERS(32'(REGISTER) + 1), .ADDED(2)) i_high (
        .clk_i, .advance_i, .adds_i(advance_i), .a_i(a), .b_i(b[34:CUT]), .first_i(1'b1), .c_i('0), .p_i(low_cascade),
        .p_o(high), .cascade_o(high_cascade)
      );
      logic [CUT-1:0] low_q;
      always_ff @(posedge clk_i) if (advance_i) low_q <= low[CUT-1:0];
      assign sum = {high, low_q};
      assign sum_o[p*SUM_BITS+:SUM_BITS] = SUM_BITS'(sum);
    end else begin : gen_one
      assign sum_o[p*SUM_BITS+:SUM_BITS] = SUM_BITS'(low);
    end
  end
endmodule
