"""Figures and verdicts as a person writes them."""

from __future__ import annotations

from hwqnn.report.content import ESTIMATE, Report


def number(value: float, digits: int = 1) -> str:
    """1234567 -> "1,234,567"; a fraction keeps `digits` decimals."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.{digits}f}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """0.9484 -> "94.84 %"; None -> a dash."""
    return "-" if fraction is None else f"{100 * fraction:.{digits}f} %"


def seconds(value: float) -> str:
    """0.0123 -> "12 ms"; 61.5 -> "1 min 2 s"."""
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def rate(value: float) -> str:
    """Frames a second, to three figures: 1562500 -> "1.56 M", 950 -> "950"."""
    rounded = float(f"{value:.3g}")
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rounded >= limit:
            return f"{rounded / limit:g}{unit}"
    return f"{rounded:g}"


def error(value: float | None) -> str:
    """-0.042 -> "-4 %"; None -> nothing."""
    return "" if value is None else f"{100 * value:+.0f} %"


def engineering(value: float, unit: str) -> str:
    """To three figures: 1.5e-13, "J" -> "0.15 pJ"; 0.0321, "W" -> "32.1 mW"."""
    for factor, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if float(f"{value:.3g}") >= factor:
            return f"{float(f'{value / factor:.3g}'):g} {prefix}{unit}"
    return f"{float(f'{value / 1e-12:.3g}'):g} {'p' if value else ''}{unit}"


def power(report: Report) -> str:
    """The estimate in a line; nothing where there is none."""
    found = report.power
    if found is None:
        return ""
    total, static = engineering(found.total_w, "W"), engineering(found.static_w, "W")
    return f"{total} ({static} of them static), {engineering(found.energy_j, 'J')} a frame at {number(report.clock_mhz)} MHz"


def headline(report: Report) -> str:
    """The verdict in one line."""
    failed = [check.name for check in report.checks if not check.passed]
    if report.passed:
        return "Every check passed"
    if not report.checks:
        return "Nothing was checked"
    return f"{len(failed)} of {len(report.checks)} checks failed: {', '.join(failed)}"


def warnings(report: Report) -> list[str]:
    """What to know though no check failed."""
    if report.clock is None or report.meets_target:
        return []
    kind = "routed" if report.clock.routed else "estimated"
    return [
        f"The {kind} clock, {report.clock}, misses the target of {number(report.clock_mhz)} MHz: "
        f"at {report.clock.mhz:.0f} MHz it makes {rate(report.estimated_fps or 0)} frames a second."
    ]


def sentences(report: Report) -> list[str]:
    """What was built and what was proven, in plain words."""
    exact, performance = report.exact, report.performance
    latency = performance.latency_cycles / report.clock_mhz
    said = []
    if not exact.rtl_bits_compared:
        said.append("The RTL was not simulated.")
    elif exact.rtl_mismatches:
        said.append(f"The RTL differs from the exact model in {number(exact.rtl_mismatches)} of {number(exact.rtl_bits_compared)} bits compared.")
    else:
        said.append(
            f"The RTL agrees with the exact model on all {number(exact.rtl_bits_compared)} bits compared, "
            f"over {number(report.accuracy.rtl_images)} images."
        )
    runs = f"it classifies {rate(performance.fps)} frames a second, the first after {number(latency, 2)} µs."
    clock = report.clock
    if clock is None:
        said.append(f"If it closes timing at {number(report.clock_mhz)} MHz (a target, not placed or routed), {runs}")
    elif report.meets_target:
        said.append(f"At {number(report.clock_mhz)} MHz {runs} {'It closes timing at' if clock.routed else 'Its estimated clock is'} {clock}.")
    else:
        said.append(f"At {number(report.clock_mhz)} MHz {runs}")
    said += warnings(report)
    worst = max(report.utilization, key=lambda name: report.utilization[name])
    measured = "An estimate says it" if report.source == ESTIMATE else "It"
    said.append(
        f"{measured} takes {number(report.resources.lut)} LUTs, {percent(report.utilization['lut'], 1)} of those on {report.board.name}"
        + ("." if worst == "lut" else f"; its scarcest resource is {worst.upper()}, at {percent(report.utilization[worst], 1)}.")
    )
    return said
