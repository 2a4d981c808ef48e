"""The measured tables in markdown, and where they go in README.md."""

from pathlib import Path
from typing import NamedTuple

from kernels.processor import cores, processor
from kernels.tile import COLUMNS, ROWS, threads

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Row(NamedTuple):
    """One rung, measured."""

    rung: str
    adds: str
    ms: float
    rate: float  # GFLOP/s
    share: float  # of the peak


def markdown(size: str, peak: float, measured: list[tuple[str, list[Row]]]) -> str:
    """Return the command, the machine and one table per topic."""
    parts = [
        f"    python -m kernels.ladder.table --size {size} --readme",
        f"{processor()}, {cores()} cores; {threads()} threads, register tile "
        f"{ROWS} x {COLUMNS}.\nPeak: {peak:.0f} GFLOP/s, the best of 15 timings. The times "
        "are medians.",
    ]
    for title, rows in measured:
        parts += [f"### {title[0].upper()}{title[1:]}", "\n".join(markdown_table(rows))]
    return "\n\n".join(parts)


def markdown_table(rows: list[Row]) -> list[str]:
    """Return the lines of one table."""
    lines = ["| rung | ms | GFLOP/s | share of peak | what it adds |", "|---|--:|--:|--:|---|"]
    for rung, adds, ms, rate, share in rows:
        link = f"[{rung}]({rung}.py)"
        lines.append(f"| {link} | {ms:.2f} | {rate:.1f} | {share:.1%} | {adds} |")
    return lines


def write_readme(text: str, readme: Path = README) -> str:
    """Replace the measured part of README.md; return what was done."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} must contain the lines {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    return f"{readme}: the measured tables are new"
