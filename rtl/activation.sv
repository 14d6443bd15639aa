// What becomes of PE final sums. LEVELS = 0: they are the result; a sum counted in agreements of bipolar numbers is half of it, so OUT_BITS may be one
// more than ACC_BITS, for ODD below. LEVELS = 1: the sum's sign, for its initial value holds the negated threshold. Else a search over the thresholds,
// SEARCH_REGISTERS cycles for each bit of a level.
module activation #(
  parameter int unsigned PE = 1,
  parameter int unsigned ROWS = 1,      // sets of thresholds
  parameter int unsigned ACC_BITS = 2,
  parameter bit ODD = 1'b0,
  parameter int unsigned LEVELS = 1,
  parameter int unsigned T_BITS = 2,    // of a threshold, when LEVELS > 1
  parameter int unsigned SEARCH_REGISTERS = 1,  // see threshold_search
  parameter int BASE = 0,
  parameter int STEP = 1,
  parameter int unsigned OUT_BITS = 1,
  parameter THRESHOLD_FILE = "",        // ROWS words; see threshold_search
  localparam int unsigned ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1
) (
  /* verilator lint_off UNUSEDSIGNAL */  // only the search takes time
  input  logic                        clk_i,
  input  logic                        advance_i,
  input  logic [ROW_BITS-1:0]         row_i,
  input  logic [PE-1:0][ACC_BITS-1:0] acc_i,  // the sign is all that LEVELS = 1 looks at
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [PE*OUT_BITS-1:0]      data_o
);
  localparam int unsigned STAGES = LEVELS > 1 ? $clog2(LEVELS + 1) : 1;

  if (LEVELS == 0 && OUT_BITS != ACC_BITS && OUT_BITS != ACC_BITS + 1) begin : gen_bad_out_bits
    $fatal(1, "activation: with LEVELS = 0, OUT_BITS must be ACC_BITS or one more");
  end
  if (LEVELS > 1 && T_BITS < ACC_BITS) begin : gen_bad_t_bits
    $fatal(1, "activation: T_BITS must be at least ACC_BITS");
  end

  if (LEVELS == 0) begin : gen_sum
    for (genvar p = 0; p < PE; p++) begin : gen_lane
      if (OUT_BITS > ACC_BITS) begin : gen_half
        assign data_o[p*OUT_BITS+:OUT_BITS] = {acc_i[p], ODD};
      end else begin : gen_whole
        assign data_o[p*OUT_BITS+:OUT_BITS] = acc_i[p];
      end
    end
  end else begin : gen_levels
    logic [PE*STAGES-1:0] n;  // yosys knows no arrays inside a generate block
    if (LEVELS == 1) begin : gen_sign
      for (genvar p = 0; p < PE; p++) begin : gen_lane
        assign n[p*STAGES+:STAGES] = !acc_i[p][ACC_BITS-1];
      end
    end else begin : gen_search
      logic [PE*T_BITS-1:0] value;
      for (genvar p = 0; p < PE; p++) begin : gen_lane
        assign value[p*T_BITS+:T_BITS] = T_BITS'($signed(acc_i[p]));
      end
      threshold_search #(.PE(PE), .LEVELS(LEVELS), .T_BITS(T_BITS), .ROWS(ROWS), .REGISTERS(SEARCH_REGISTERS), .FILE(THRESHOLD_FILE)) i_search (
        .clk_i, .advance_i, .x_i(value), .row_i, .n_o(n)
      );
    end
    for (genvar p = 0; p < PE; p++) begin : gen_code
      level_code #(.N_BITS(STAGES), .BASE(BASE), .STEP(STEP), .OUT_BITS(OUT_BITS)) i_code (
        .n_i(n[p*STAGES+:STAGES]), .code_o(data_o[p*OUT_BITS+:OUT_BITS])
      );
    end
  end
endmodule
