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
  localparam bit POWER = PE == 2 ** $clog2(PE);
  localparam int unsigned LOW = FOLD > 1 ? $clog2(PE & (~PE + 1)) : 0;  // the greatest power of two in PE: indices of lane 0 end in so many zeros
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

  /* verilator lint_off UNUSEDSIGNAL */  // without a tree, only steps change anything; a single beat's tree only advances
  logic advance, step;
  /* verilator lint_on UNUSEDSIGNAL */
  logic last;
  logic [OUT_BITS-LOW-1:0] lane_0;  // its index, less the low bits that are always 0
  if (FOLD > 1) begin : gen_base
    if (PE >> LOW == 1) begin : gen_power
      logic [$clog2(FOLD)-1:0] beat;
      counter #(.COUNT(FOLD)) i_beat (.clk_i, .rst_ni, .step_i(step), .value_o(beat), .last_o(last));
      assign lane_0 = (OUT_BITS - LOW)'(beat);
    end else begin : gen_odd
      logic [OUT_BITS-LOW-1:0] lane_0_q;
      boundary #(.WIDTH(OUT_BITS - LOW)) i_lane_0 (.word_i(lane_0_q), .word_o(lane_0));  // apart from the adder, as in counter
      boundary i_last (.word_i(lane_0 == (OUT_BITS - LOW)'((PE >> LOW) * (FOLD - 1))), .word_o(last));
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (step && last)) lane_0_q <= '0;
        else if (step) lane_0_q <= lane_0_q + (OUT_BITS - LOW)'(PE >> LOW);
      end
    end
  end else begin : gen_one_beat
    assign last   = 1'b1;
    assign lane_0 = '0;
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

  if (K == 1) begin : gen_one
    localparam int unsigned LANE_BITS = PE > 1 ? $clog2(PE) : 1;
    logic [WIDTH-1:0] value, best_q;
    logic [LANE_BITS-1:0] lane;
    logic [OUT_BITS-LOW-1:0] base_late;  // of the beat that leaves the tree
    logic [OUT_BITS-1:0] index, index_q;
    logic there, first;
    argmax_tree #(.PE(PE), .WIDTH(WIDTH), .SIGNED(SIGNED)) i_tree (.clk_i, .advance_i(advance), .values_i(x), .value_o(value), .lane_o(lane));

    if (LATE > 0) begin : gen_late
      logic [LATE-1:0] there_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni) there_q <= '0;
        else if (advance) there_q <= LATE'({there_q, step});
      end
      assign there = there_q[LATE-1] && advance;
    end else begin : gen_now
      assign there = step;
    end
    if (FOLD > 1) begin : gen_beats
      delay #(.WIDTH(OUT_BITS - LOW + 1), .DEPTH(LATE)) i_late (
        .clk_i, .rst_ni, .advance_i(advance), .word_i({lane_0 == '0, lane_0}), .word_o({first, base_late})
      );
    end else begin : gen_one_beat
      assign {first, base_late} = {1'b1, lane_0};
    end
    assign index = POWER ? OUT_BITS'(base_late) << LOW | OUT_BITS'(lane) : (OUT_BITS'(base_late) << LOW) + OUT_BITS'(lane);

    // A fast clock leaves no time for a LUT behind the carry chain: there, whether a value comes at all and is the first is a digit of both numbers.
    logic better;
    if (X_REGISTER) begin : gen_in_chain
      logic [WIDTH-1:0] above, below;
      for (genvar i = 0; i < WIDTH; i++) begin : gen_bit
        localparam bit SIGN = SIGNED != 0 && i == WIDTH - 1;  // which counts the other way round
        assign above[i] = SIGN ? best_q[i] : value[i];
        assign below[i] = SIGN ? value[i] : best_q[i];
      end
      greater #(.BITS(WIDTH + 1)) i_greater (.a_i({there, above}), .b_i({!(there && first), below}), .greater_o(better));
    end else begin : gen_behind
      logic above;
      greater #(.BITS(WIDTH), .SIGNED(SIGNED)) i_greater (.a_i(value), .b_i(best_q), .greater_o(above));
      assign better = there && (first || above);
    end
    always_ff @(posedge clk_i) begin
      if (better) begin
        best_q  <= value;
        index_q <= index;
      end
    end
    assign m_tdata_o = index_q;
  end else begin : gen_several
    logic [OUT_BITS-1:0] base;
    assign base = OUT_BITS'(lane_0) << LOW;
    // What lane p meets begins at place p * K, the greatest first; what the last lane leaves, at PE * K. (Flat: yosys knows no arrays inside a
    // generate block.)
    logic [(PE+1)*K*WIDTH-1:0] best;
    logic [(PE+1)*K*OUT_BITS-1:0] index;
    logic [PE*K-1:0] beats;  // the lane's value belongs in front of best j
    for (genvar p = 0; p < PE; p++) begin : gen_lane
      logic [OUT_BITS-1:0] number;
      assign number = POWER ? base | OUT_BITS'(p) : base + OUT_BITS'(p);
      for (genvar j = 0; j < K; j++) begin : gen_place
        localparam int unsigned HERE = p * K + j;
        localparam int unsigned ABOVE = j > 0 ? HERE - 1 : HERE;
        // Fewer than j + 1 values have come before this one in the first step that begins at or below j - p: place j is still free then.
        if ((FOLD - 1) * PE + p <= j) begin : gen_always_free
          assign beats[HERE] = 1'b1;
        end else begin : gen_compared
          logic above, ahead;
          greater #(.BITS(WIDTH), .SIGNED(SIGNED)) i_greater (.a_i(x[p*WIDTH+:WIDTH]), .b_i(best[HERE*WIDTH+:WIDTH]), .greater_o(above));
          assign ahead = above || (j >= p && base <= OUT_BITS'(j - p));
          boundary i_beats (.word_i(ahead), .word_o(beats[HERE]));
        end
        logic pushed;  // by what belongs further in front
        logic [WIDTH-1:0] value;
        logic [OUT_BITS-1:0] place;
        assign pushed = j > 0 && beats[ABOVE];
        assign value  = !beats[HERE] ? best[HERE*WIDTH+:WIDTH] : pushed ? best[ABOVE*WIDTH+:WIDTH] : x[p*WIDTH+:WIDTH];
        assign place  = !beats[HERE] ? index[HERE*OUT_BITS+:OUT_BITS] : pushed ? index[ABOVE*OUT_BITS+:OUT_BITS] : number;
        if (FOLD > 1 && p + 1 < PE) begin : gen_lane_by_lane
          boundary #(.WIDTH(WIDTH)) i_value (.word_i(value), .word_o(best[(HERE+K)*WIDTH+:WIDTH]));
          boundary #(.WIDTH(OUT_BITS)) i_place (.word_i(place), .word_o(index[(HERE+K)*OUT_BITS+:OUT_BITS]));
        end else begin : gen_to_register
          assign best[(HERE+K)*WIDTH+:WIDTH]        = value;
          assign index[(HERE+K)*OUT_BITS+:OUT_BITS] = place;
        end
      end
    end
    logic [K*WIDTH-1:0] best_q;
    logic [K*OUT_BITS-1:0] index_q;
    assign best[K*WIDTH-1:0]     = best_q;
    assign index[K*OUT_BITS-1:0] = index_q;
    always_ff @(posedge clk_i) begin
      if (step) begin
        best_q  <= best[PE*K*WIDTH+:K*WIDTH];
        index_q <= index[PE*K*OUT_BITS+:K*OUT_BITS];
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
