// The threshold that one lane of one stage of threshold_search compares with: out of its row's entries, those that the stage can meet, chosen by the bits
// of n found before it. Row and known bits together are one address, so that the mapper can see a single ROM.
module threshold_rom #(
  parameter int unsigned PE = 1,
  parameter int unsigned LANE = 0,
  parameter int unsigned STAGES = 1,
  parameter int unsigned STAGE = 0,   // this many bits of n are known
  parameter int unsigned T_BITS = 1,
  parameter int unsigned ROWS = 1,
  parameter FILE = "",                // see threshold_search
  localparam int unsigned ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1,
  localparam int unsigned KNOWN_BITS = STAGE > 0 ? STAGE : 1
) (
  /* verilator lint_off UNUSEDSIGNAL */  // a single row, or the first stage, needs no choosing
  input  logic [ROW_BITS-1:0]   row_i,
  input  logic [KNOWN_BITS-1:0] known_i,  // the high bits of n
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [T_BITS-1:0]     threshold_o
);
  localparam int unsigned ENTRIES = 2 ** STAGES;
  localparam int unsigned STRIDE = 2 ** (STAGES - STAGE);  // between the entries that this stage can meet

`ifdef YOSYS
  (* logic_block = 1 *)
`else
  (* rom_style = "distributed" *)
`endif
  logic [PE*ENTRIES*T_BITS-1:0] rows[ROWS];
  initial $readmemh(FILE, rows);

  /* verilator lint_off UNUSEDSIGNAL */  // the other lanes' and stages' entries
  logic [PE*ENTRIES*T_BITS-1:0] word;
  /* verilator lint_on UNUSEDSIGNAL */
  if (ROWS > 1) begin : gen_rows
    assign word = rows[row_i];
  end else begin : gen_one_row
    assign word = rows[0];
  end

  logic [2**STAGE*T_BITS-1:0] met;
  for (genvar e = 0; e < 2 ** STAGE; e++) begin : gen_met
    assign met[e*T_BITS+:T_BITS] = word[(LANE*ENTRIES+e*STRIDE+STRIDE/2-1)*T_BITS+:T_BITS];
  end
  if (STAGE > 0) begin : gen_choose
    assign threshold_o = met[known_i*T_BITS+:T_BITS];
  end else begin : gen_only_one
    assign threshold_o = met;
  end
endmodule
