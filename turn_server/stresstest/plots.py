"""The plots: latencies by type of request, and the test over time."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from turn_server.stresstest.histogram import Histogram
from turn_server.stresstest.results import Results
from turn_server.stresstest.summary import in_milliseconds

COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#db2777", "#0891b2", "#65a30d", "#78716c")
"""Of the types of requests, the most frequent first."""

INK: Final = "#1f2937"
FAINT: Final = "#e5e7eb"
BAD: Final = "#dc2626"

DOTS_PER_INCH: Final = 160

SHARES: Final = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
"""Marks of the axis of percentiles, on which each nine takes as much room as the one before."""

SHORTEST: Final = 1e-6
"""Seconds; an axis of logarithms has no zero."""


def draw_all(results: Results, folder: Path) -> dict[str, Path]:
    """Write the plots as PNG files.

    Returns:
        the files by what they show.

    Raises:
        OSError: one cannot be written.
    """
    figures = {
        "percentiles.png": ("Latency by percentile", percentiles(results)),
        "types.png": ("Latency by type of request", types(results)),
        "timeline.png": ("Over time", timeline(results)),
    }
    for name, (_, figure) in figures.items():
        figure.savefig(folder / name, dpi=DOTS_PER_INCH)
    return {title: folder / name for name, (title, _) in figures.items()}


def percentiles(results: Results) -> Figure:
    """Return the curve of each type of request: which share of them is answered in which time."""
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.add_subplot()
    most = 1
    for kind, colour in _kinds(results):
        latency = results.requests[kind].latency
        most = max(most, latency.count)
        x, y = _curve(latency)
        axes.step(x, y, where="post", color=colour, linewidth=1.8, label=f"{kind} ({latency.count:,})")
    x, y = _curve(results.overall.service)
    axes.step(x, y, where="post", color=INK, linewidth=1.2, linestyle=":", label="all, from when they were sent")
    shares = [share for share in SHARES if _nines(share) <= _nines(1 - 1 / most)]
    axes.xaxis.set_major_locator(FixedLocator([_nines(share) for share in shares]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{share * 100:g} %" for share in shares])
    axes.set_xlim(0, max(_nines(1 - 1 / (2 * most)), _nines(0.9)))
    axes.set_xlabel("share of the requests that are answered within the time")
    _milliseconds(axes)
    _finish(axes)
    axes.legend(frameon=False, fontsize=8.5, loc="upper left", ncols=2)
    axes.set_ylim(top=axes.get_ylim()[1] * 4)  # room for the legend
    return figure


def types(results: Results) -> Figure:
    """Return a line for each type of request, from its median to its slowest."""
    kinds = list(_kinds(results))
    figure = Figure(figsize=(9, 1.3 + 0.48 * len(kinds)), layout="constrained")
    axes = figure.add_subplot()
    for place, (kind, colour) in enumerate(kinds):
        latency = results.requests[kind].latency
        p50, p90, p99 = (max(latency.percentile(percent), SHORTEST) for percent in (50.0, 90.0, 99.0))
        longest = max(latency.maximum, SHORTEST)
        axes.plot([p99, longest], [place, place], color=colour, linewidth=1.2, alpha=0.6)
        axes.plot([p90, p99], [place, place], color=colour, linewidth=5, alpha=0.45, solid_capstyle="butt")
        axes.plot([p50, p90], [place, place], color=colour, linewidth=10, alpha=0.9, solid_capstyle="butt")
        axes.plot([longest], [place], marker="|", markersize=9, color=colour)
        axes.annotate(
            f"{in_milliseconds(longest)} ms",
            (longest, place),
            (7, 0),
            textcoords="offset points",
            va="center",
            size=8.5,
        )
    axes.set_yticks(range(len(kinds)), [kind for kind, _ in kinds])
    axes.set_ylim(len(kinds) - 0.4, -0.6)
    axes.set_xscale("log")
    _label_times(axes.xaxis)
    axes.set_xlabel("thick: median to p90; thinner: to p99; line: to the slowest, in ms")
    _finish(axes)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.08)
    return figure


def timeline(results: Results) -> Figure:
    """Return throughput and latency, second by second."""
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.25))
    numbers = range(max(results.seconds, default=0) + 1)
    rates = [_at(results, number).count for number in numbers]
    errors = [results.seconds[number].errors if number in results.seconds else 0 for number in numbers]
    edges = [*numbers, len(numbers)]
    above.stairs(rates, edges, fill=True, color=COLOURS[0], alpha=0.25)
    above.stairs(rates, edges, color=COLOURS[0], linewidth=1.6, label="replies a second")
    above.axhline(results.planned_rate, color=INK, linewidth=1, linestyle=":", label="planned")
    if any(errors):
        above.stairs(errors, edges, fill=True, color=BAD, label="errors")
    above.set_ylim(0, max(results.planned_rate, *rates) * 1.3)
    above.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    above.set_ylabel("requests a second")
    there = [number for number in numbers if _at(results, number).counts]
    middles = [number + 0.5 for number in there]
    for percent, colour, width in ((50.0, COLOURS[2], 2.0), (90.0, COLOURS[0], 1.6), (99.0, COLOURS[1], 1.6)):
        y = [max(_at(results, number).percentile(percent), SHORTEST) for number in there]
        below.plot(middles, y, color=colour, linewidth=width, marker="o", markersize=3, label=f"p{percent:g}")
    slowest = [max(_at(results, number).maximum, SHORTEST) for number in there]
    below.plot(middles, slowest, color=BAD, linewidth=0, marker="_", markersize=9, label="slowest")
    _milliseconds(below)
    below.set_xlabel("seconds since the start")
    below.set_xlim(0, len(numbers))
    for axes in (above, below):
        _finish(axes)
        axes.legend(frameon=False, fontsize=8.5, loc="upper left", ncols=4)
    low, high = below.get_ylim()
    below.set_ylim(low, high * (high / low) ** 0.2)
    return figure


def _kinds(results: Results) -> Iterator[tuple[str, str]]:
    """The types of requests with their colours, the most frequent first."""
    kinds = sorted(results.requests, key=lambda kind: -results.requests[kind].latency.count)
    for number, kind in enumerate(kinds):
        yield kind, COLOURS[number % len(COLOURS)]


def _at(results: Results, second: int) -> Histogram:
    found = results.seconds.get(second)
    return found.latency if found else Histogram()


def _nines(share: float) -> float:
    """Where a share stands on the axis of percentiles: at 1 / (1 - share), on a logarithmic scale from zero on."""
    return -math.log10(1 - share)


def _curve(times: Histogram) -> tuple[list[float], list[float]]:
    """What share of the times is over when, and when; the last of them, which is all, is put half a time earlier."""
    count = times.count
    x, y = [0.0], []
    for seconds, passed in times.cumulative():
        x.append(_nines(min(passed, count - 0.5) / count))
        y.append(max(seconds, SHORTEST))
    return x, [*y, *y[-1:]] or [SHORTEST]


def _milliseconds(axes: Axes) -> None:
    axes.set_yscale("log")
    _label_times(axes.yaxis)
    axes.set_ylabel("latency in ms")


def _label_times(axis: Axis) -> None:
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(_as_milliseconds))
    axis.set_minor_formatter(NullFormatter())


def _as_milliseconds(seconds: float, _: int) -> str:
    return f"{seconds * 1000:,.6g}"


def _finish(axes: Axes) -> None:
    axes.grid(visible=True, color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color("#9ca3af")
