// The number of thresholds that a value reaches, n = #{j : x >= T[j]}, per lane, by binary search: one registered comparison per bit of n, highest
// bit first. The thresholds of a lane ascend; past LEVELS they hold the greatest value, which no input reaches. The search never looks at the last entry.
// Comparing with all of them at once would be quicker by a few cycles and cost LEVELS comparators a lane instead of log2(LEVELS + 1).
// With REGISTERS = 2 a stage looks its threshold up in one cycle and compares in the next.
module threshold_search #(
  parameter int unsigned PE = 1,      // lanes
  parameter int unsigned LEVELS = 1,
  parameter int unsigned T_BITS = 2,  // of a value and of a threshold, both signed
  parameter int unsigned ROWS = 1,    // sets of thresholds
  parameter int unsigned REGISTERS = 1,  // a stage, 1 or 2
  parameter FILE = "",                // ROWS words; entry e of lane p at bit (p * ENTRIES + e) * T_BITS
  localparam int unsigned STAGES = $clog2(LEVELS + 1),
  localparam int unsigned ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1
) (
  input  logic                      clk_i,
  input  logic                      advance_i,
  input  logic [PE-1:0][T_BITS-1:0] x_i,
  input  logic [ROW_BITS-1:0]       row_i,
  output logic [PE-1:0][STAGES-1:0] n_o  // REGISTERS * STAGES cycles later
);
  // From this many address bits on, the thresholds are looked up apart (see rom); below, their few constants melt into the comparators, where these are
  // not a register behind.
  localparam int unsigned APART = 6;

  if (REGISTERS < 1 || REGISTERS > 2) begin : gen_bad_registers
    $fatal(1, "threshold_search: REGISTERS must be 1 or 2");
  end

  // Index [k] is what stage k starts from.
  logic [STAGES-1:0][ROW_BITS-1:0] row;
  logic [STAGES-1:0][PE-1:0][T_BITS-1:0] x;
  logic [STAGES:0][PE-1:0][STAGES-1:0] n;
  assign row[0] = row_i;
  assign x[0]   = x_i;
  assign n[0]   = '0;

  for (genvar k = 0; k < STAGES; k++) begin : gen_stage
    localparam int unsigned BIT = STAGES - 1 - k;  // the bit of n decided here
    localparam int unsigned ADDRESS = (ROWS > 1 ? ROW_BITS : 0) + k;
    logic [PE*T_BITS-1:0] found, chosen, value;    // the thresholds looked up; those that are compared, and with what
    logic [PE*STAGES-1:0] so_far;
    logic [ROW_BITS-1:0] row_before;
    for (genvar p = 0; p < PE; p++) begin : gen_lane
      logic [(k>0?k:1)-1:0] known;
      if (k > 0) begin : gen_known
        assign known = n[k][p][STAGES-1:BIT+1];
      end else begin : gen_nothing_known
        assign known = '0;
      end
      if (REGISTERS > 1 || ADDRESS >= APART) begin : gen_apart
        (* keep_hierarchy = "yes" *)
        threshold_rom #(
          .PE(PE), .LANE(p), .STAGES(STAGES), .STAGE(k), .T_BITS(T_BITS), .ROWS(ROWS), .FILE(FILE)
        ) i_rom (.row_i(row[k]), .known_i(known), .threshold_o(found[p*T_BITS+:T_BITS]));
      end else begin : gen_melted
        logic [ROW_BITS-1:0] seen;  // so that no mapper moves the row's register behind the ROM
        if (ROWS > 1) begin : gen_rows
          boundary #(.WIDTH(ROW_BITS)) i_row (.word_i(row[k]), .word_o(seen));
        end else begin : gen_one_row
          assign seen = row[k];
        end
        threshold_rom #(
          .PE(PE), .LANE(p), .STAGES(STAGES), .STAGE(k), .T_BITS(T_BITS), .ROWS(ROWS), .FILE(FILE)
        ) i_rom (.row_i(seen), .known_i(known), .threshold_o(found[p*T_BITS+:T_BITS]));
      end

      logic reaches;
      if (REGISTERS > 1 || ADDRESS >= APART) begin : gen_compare
        greater #(.BITS(T_BITS), .SIGNED(1), .EQUAL(1'b1)) i_reached (
          .a_i(value[p*T_BITS+:T_BITS]), .b_i(chosen[p*T_BITS+:T_BITS]), .greater_o(reaches)
        );
      end else begin : gen_look_up
        reached #(.BITS(T_BITS), .DIGIT(6 - ADDRESS)) i_reached (
          .value_i(value[p*T_BITS+:T_BITS]), .threshold_i(chosen[p*T_BITS+:T_BITS]), .reached_o(reaches)
        );
      end
      logic [STAGES-1:0] n_d, n_q;
      always_comb begin
        n_d      = so_far[p*STAGES+:STAGES];
        n_d[BIT] = reaches;
      end
      always_ff @(posedge clk_i) if (advance_i) n_q <= n_d;
      assign n[k+1][p] = n_q;
    end

    if (REGISTERS > 1) begin : gen_looked_up
      logic [PE*T_BITS-1:0] chosen_q, value_q;
      logic [PE*STAGES-1:0] so_far_q;
      logic [ROW_BITS-1:0] row_q;
      always_ff @(posedge clk_i) begin
        if (advance_i) begin
          chosen_q <= found;
          value_q  <= x[k];
          so_far_q <= n[k];
          row_q    <= row[k];
        end
      end
      assign chosen     = chosen_q;
      assign value      = value_q;
      assign so_far     = so_far_q;
      assign row_before = row_q;
    end else begin : gen_at_once
      assign chosen     = found;
      assign value      = x[k];
      assign so_far     = n[k];
      assign row_before = row[k];
    end

    if (k + 1 < STAGES) begin : gen_pass_on
      logic [ROW_BITS-1:0] row_q;
      logic [PE*T_BITS-1:0] x_q;
      always_ff @(posedge clk_i) begin
        if (advance_i) begin
          row_q <= row_before;
          x_q   <= value;
        end
      end
      assign row[k+1] = row_q;
      assign x[k+1]   = x_q;
    end else begin : gen_last
      /* verilator lint_off UNUSEDSIGNAL */
      logic unused;
      /* verilator lint_on UNUSEDSIGNAL */
      assign unused = ^row_before;
    end
  end

  assign n_o = n[STAGES];
endmodule
