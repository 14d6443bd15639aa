// The greatest of PE values and its lane, ties to the lower lane: a tree of registered comparisons, $clog2(PE) cycles deep; wires for one lane.
module argmax_tree #(
  parameter int unsigned PE = 1,
  parameter int unsigned WIDTH = 1,
  parameter int unsigned SIGNED = 0,
  localparam int unsigned LEVELS = $clog2(PE),
  localparam int unsigned LANE_BITS = PE > 1 ? $clog2(PE) : 1
) (
  /* verilator lint_off UNUSEDSIGNAL */  // one lane needs no time
  input  logic                      clk_i,
  input  logic                      advance_i,
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic [PE-1:0][WIDTH-1:0]  values_i,
  output logic [WIDTH-1:0]          value_o,
  output logic [LANE_BITS-1:0]      lane_o
);
  // Level l holds the winners of 2**l lanes each, in its low places.
  /* verilator lint_off UNUSEDSIGNAL */
  logic [LEVELS:0][PE-1:0][WIDTH-1:0] value;
  logic [LEVELS:0][PE-1:0][LANE_BITS-1:0] lane;
  /* verilator lint_on UNUSEDSIGNAL */
  assign value[0] = values_i;
  for (genvar p = 0; p < PE; p++) begin : gen_lane
    assign lane[0][p] = LANE_BITS'(p);
  end

  for (genvar l = 1; l <= LEVELS; l++) begin : gen_level
    localparam int unsigned BEFORE = (PE + 2 ** (l - 1) - 1) / 2 ** (l - 1);  // winners of the level before
    for (genvar i = 0; i < PE; i++) begin : gen_place
      if (2 * i + 1 < BEFORE) begin : gen_match
        logic second;
        logic [WIDTH-1:0] winner, value_q;
        logic [LANE_BITS-1:0] lane_q;
        greater #(.BITS(WIDTH), .SIGNED(SIGNED)) i_greater (.a_i(value[l-1][2*i+1]), .b_i(value[l-1][2*i]), .greater_o(second));
        mux2 #(.WIDTH(WIDTH)) i_mux (.select_i(second), .zero_i(value[l-1][2*i]), .one_i(value[l-1][2*i+1]), .word_o(winner));
        always_ff @(posedge clk_i) begin
          if (advance_i) begin
            value_q <= winner;
            lane_q  <= second ? lane[l-1][2*i+1] : lane[l-1][2*i];
          end
        end
        assign value[l][i] = value_q;
        assign lane[l][i]  = lane_q;
      end else if (2 * i < BEFORE) begin : gen_alone
        logic [WIDTH-1:0] value_q;
        logic [LANE_BITS-1:0] lane_q;
`ifdef YOSYS
        (* keep *)  // as flip-flops: a shift register takes five times as long to show its bit
`endif
        always_ff @(posedge clk_i) if (advance_i) value_q <= value[l-1][2*i];
        always_ff @(posedge clk_i) if (advance_i) lane_q <= lane[l-1][2*i];
        assign value[l][i] = value_q;
        assign lane[l][i]  = lane_q;
      end else begin : gen_empty
        assign value[l][i] = '0;
        assign lane[l][i]  = '0;
      end
    end
  end
  assign value_o = value[LEVELS][0];
  assign lane_o  = lane[LEVELS][0];
endmodule
