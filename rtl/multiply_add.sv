// A DSP48E1 that multiplies and adds, registers behind both. On 7-series (HWQNN_XC7) it is instantiated, and kept as it is: a mapper would move some of the
// flip-flops before it into it, and nobody could tell which.
// p_o is a_i * b_i of REGISTERS + 2 advancing cycles before, plus one of these: c_i of 2 before, or p_o itself where first_i of 2 before said that no sum
// begins; what p_i, the p_o of another, was the cycle before; or that shifted right by 17: wider factors are cut there, and the product with the lower
// part comes from the DSP48E1 below, a cycle earlier.
`ifdef HWQNN_XC7
(* keep_hierarchy = "yes" *)
`endif
module multiply_add #(
  parameter int unsigned REGISTERS = 0,  // of both factors, before they are multiplied
  parameter int unsigned ADDED = 0       // 0: c_i or p_o, 1: p_i, 2: p_i shifted
) (
  input  logic        clk_i,
  input  logic        advance_i,
  input  logic        adds_i,        // p_o takes on a new value
  input  logic [24:0] a_i,           // signed, as all
  input  logic [17:0] b_i,
  /* verilator lint_off UNUSEDSIGNAL */  // one or the other
  input  logic        first_i,
  input  logic [47:0] c_i,
  input  logic [47:0] p_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [47:0] p_o,
  output logic [47:0] cascade_o      // p_o by the wires from one DSP48E1 to the next
);
  if (REGISTERS > 2 || ADDED > 2) begin : gen_bad_registers
    $fatal(1, "multiply_add: a DSP48E1 has two registers for each factor, and ADDED is 0, 1 or 2");
  end

`ifdef HWQNN_XC7
  localparam bit C = ADDED == 0;
  logic [2:0] added;
  assign added = ADDED == 0 ? {2'b01, first_i} : ADDED == 1 ? 3'b001 : 3'b101;
  /* verilator lint_off PINMISSING */  // outputs that nothing reads
  DSP48E1 #(
    .AREG(REGISTERS), .ACASCREG(REGISTERS), .BREG(REGISTERS), .BCASCREG(REGISTERS), .CREG(C), .MREG(1), .PREG(1), .ADREG(0), .DREG(0),
    .ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0), .INMODEREG(0), .OPMODEREG(C), .USE_DPORT("FALSE"), .USE_MULT("MULTIPLY")
  ) i_dsp (
    .CLK(clk_i), .A({{5{a_i[24]}}, a_i}), .B(b_i), .C(C ? c_i : '0), .D('0), .PCIN(C ? '0 : p_i), .P(p_o), .PCOUT(cascade_o),
    .OPMODE({added, 4'b01_01}), .ALUMODE('0), .INMODE('0), .CARRYIN(1'b0), .CARRYINSEL('0),
    .ACIN('0), .BCIN('0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
    .CEA1(advance_i), .CEA2(advance_i), .CEB1(advance_i), .CEB2(advance_i), .CEC(advance_i), .CEM(advance_i), .CEP(adds_i), .CECTRL(advance_i),
    .CED(1'b0), .CEAD(1'b0), .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CEINMODE(1'b0),
    .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
    .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0)
  );
  /* verilator lint_on PINMISSING */
`else
  logic signed [24:0] a;
  logic signed [17:0] b;
  if (REGISTERS == 0) begin : gen_wires
    assign a = a_i;
    assign b = b_i;
  end else begin : gen_registers
    logic signed [24:0] a_q[REGISTERS];
    logic signed [17:0] b_q[REGISTERS];
    always_ff @(posedge clk_i) begin
      if (advance_i) begin
        for (int unsigned k = 0; k < REGISTERS; k++) begin
          a_q[k] <= k == 0 ? a_i : a_q[k>0?k-1:0];
          b_q[k] <= k == 0 ? b_i : b_q[k>0?k-1:0];
        end
      end
    end
    assign a = a_q[REGISTERS-1];
    assign b = b_q[REGISTERS-1];
  end

  logic signed [47:0] added, p_q;
  if (ADDED == 0) begin : gen_addend
    logic signed [47:0] c_q;
    logic first_q;
    always_ff @(posedge clk_i) begin
      if (advance_i) begin
        c_q     <= c_i;
        first_q <= first_i;
      end
    end
    assign added = first_q ? c_q : p_q;
  end else begin : gen_cascaded
    assign added = ADDED == 1 ? $signed(p_i) : $signed(p_i) >>> 17;
  end

  logic signed [42:0] product_q;
  always_ff @(posedge clk_i) if (advance_i) product_q <= 43'(a) * 43'(b);
  always_ff @(posedge clk_i) if (adds_i) p_q <= 48'(product_q) + added;
  assign p_o = p_q;
  assign cascade_o = p_q;
`endif
endmodule
