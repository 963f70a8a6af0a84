"""The report: one HTML page with everything in it, to look at, to send and to keep."""

import base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from turn_server.stresstest import plots, summary
from turn_server.stresstest.results import Results
from turn_server.stresstest.summary import ALL, PERCENTILES, Row, in_milliseconds, percent_name

NAME: Final = "report.html"

TEMPLATE: Final = Template((Path(__file__).parent / "webpage.html").read_text(encoding="utf-8"))


def write(results: Results, folder: Path) -> str:
    """Write the plots and the page; return the name of the page.

    Raises:
        OSError: one of them cannot be written.
    """
    pictures = plots.draw_all(results, folder)
    (folder / NAME).write_text(compose(results, pictures), encoding="utf-8")
    return NAME


def compose(results: Results, pictures: dict[str, Path]) -> str:
    """Return the page, with the pictures inside."""
    overall = results.overall.latency
    targets = ", ".join(sorted({one.target for one in results.generators}))
    return TEMPLATE.substitute(
        when=f"{datetime.fromtimestamp(results.started_at, UTC):%Y-%m-%d %H:%M:%S} UTC",
        target=escape(targets),
        outcome="good" if results.passed else "bad",
        verdict=escape(summary.verdict(results)),
        tiles="".join(
            _tile(title, value, unit)
            for title, value, unit in (
                ("throughput", f"{results.throughput:,.0f}", "requests/s"),
                ("median", in_milliseconds(overall.percentile(50.0)), "ms"),
                ("p99", in_milliseconds(overall.percentile(99.0)), "ms"),
                ("slowest", in_milliseconds(overall.maximum), "ms"),
                ("errors", f"{results.error_count:,}", f"of {results.request_count:,}"),
                ("messages arrived", f"{results.counts.messages_verified:,}", f"of {results.counts.messages_sent:,}"),
            )
        ),
        warnings="".join(f'<p class="warning">{escape(text)}</p>' for text in summary.warnings(results)),
        planned=_latencies(summary.rows(results)),
        sent=_latencies(summary.rows(results, planned=False)),
        errors=_errors(results),
        facts=_table((), [(name, value) for name, value in summary.facts(results)]),
        generators=_generators(results),
        pictures="".join(_picture(title, file) for title, file in pictures.items()),
    )


def _tile(title: str, value: str, unit: str) -> str:
    return f"<li><span>{escape(title)}</span><b>{escape(value)}</b><span>{escape(unit)}</span></li>"


def _picture(title: str, file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<section><h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,{data}"></section>'


def _latencies(rows: list[Row]) -> str:
    titles = ("type", "requests", "errors", *map(percent_name, PERCENTILES), "slowest")
    body = [
        (row.kind, f"{row.requests:,}", f"{row.errors:,}", *map(in_milliseconds, (*row.percentiles, row.maximum)))
        for row in rows
    ]
    return _table(titles, body)


def _errors(results: Results) -> str:
    found = summary.errors(results)
    if not (found or results.violations or results.examples):
        return ""
    body = [(kind, error, f"{count:,}") for kind, error, count in found]
    body += [("messages", violation, f"{count:,}") for violation, count in results.violations.items()]
    examples = "".join(f"<li>{escape(example)}</li>" for example in results.examples)
    table = _table(("at", "what", "times"), body)
    return f'<section class="words"><h2>What went wrong</h2>{table}<ul class="examples">{examples}</ul></section>'


def _generators(results: Results) -> str:
    titles = ("generator", "players", "requests/s each", "message size", "requests", "processor", "began late")
    return _table(
        titles,
        [
            (
                one.name,
                f"{one.players:,}",
                f"{one.rate:g}",
                f"{one.data_size:,}",
                f"{one.requests:,}",
                f"{one.cpu_seconds / one.seconds:.0%}" if one.seconds else "",
                f"{in_milliseconds(one.late_seconds)} ms",
            )
            for one in results.generators
        ],
    )


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = "".join(
        f'<tr{_class(row)}><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if titles else ""
    return f'<div class="table"><table>{top}<tbody>{body}</tbody></table></div>'


def _class(row: Sequence[str]) -> str:
    return ' class="sum"' if row[0] == ALL else ""
