// Counts steps from 0 to COUNT - 1, over and over. What starts it over is the registers' synchronous reset: on 7-series that takes one LUT, where choosing
// between zeros and the sum would take one for each bit of COUNT - 1 that is set. The comparison stands apart from the adder, whose carries yosys would
// otherwise build it on, and wait for.
module counter #(
  parameter int unsigned COUNT = 1,
  parameter int unsigned START = 0,  // after a reset
  localparam int unsigned BITS = COUNT > 1 ? $clog2(COUNT) : 1
) (
  /* verilator lint_off UNUSEDSIGNAL */  // of one step there is nothing to count
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            step_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [BITS-1:0] value_o,
  output logic            last_o   // it is COUNT - 1
);
  if (COUNT < 1 || START >= COUNT) begin : gen_bad_count
    $fatal(1, "counter: COUNT must be at least 1, and more than START");
  end

  if (COUNT <= 1) begin : gen_one
    assign value_o = '0;
    assign last_o  = 1'b1;
  end else begin : gen_several
    logic [BITS-1:0] value_q, value, sum;
    if (BITS > 2) begin : gen_apart
      boundary #(.WIDTH(BITS)) i_value (.word_i(value_q), .word_o(value));
      boundary i_last (.word_i(value == BITS'(COUNT - 1)), .word_o(last_o));
    end else begin : gen_few_bits
      assign value  = value_q;
      assign last_o = value == BITS'(COUNT - 1);
    end
    assign value_o = value;
    assign sum     = value_q + BITS'(1);
    if (COUNT == 2 ** BITS) begin : gen_wraps
      always_ff @(posedge clk_i) begin
        if (!rst_ni) value_q <= BITS'(START);
        else if (step_i) value_q <= sum;
      end
    end else if (BITS > 2) begin : gen_restarts
      for (genvar i = 0; i < BITS; i++) begin : gen_bit
        always_ff @(posedge clk_i) begin
          if (!rst_ni || (step_i && last_o)) value_q[i] <= !rst_ni && START[i];
          else if (step_i) value_q[i] <= sum[i];
        end
      end
    end else begin : gen_three
      always_ff @(posedge clk_i) begin
        if (!rst_ni) value_q <= BITS'(START);
        else if (step_i) value_q <= last_o ? '0 : sum;
      end
    end
  end
endmodule
