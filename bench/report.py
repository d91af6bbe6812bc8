"""What was measured, as tables for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.meters import milliseconds, percentile


@dataclass(frozen=True)
class Row:
    """One measure: ours, and where there is one the floor's or the naive way's."""

    section: str
    name: str
    ours: float | None
    other: float | None = None
    unit: str = ""
    digits: int = 1


@dataclass(frozen=True)
class Target:
    """A promise: `value` at most `limit`, or at least where `at_least`."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Grid:
    """Measures against more than two columns."""

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]
    digits: int


@dataclass
class Report:
    """Collects rows and targets; prints each section as soon as it is complete."""

    console: Console
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)

    def add(
        self,
        section: str,
        name: str,
        ours: float | None,
        other: float | None = None,
        *,
        unit: str = "",
        digits: int = 1,
    ) -> None:
        self.rows.append(Row(section, name, ours, other, unit, digits))

    def add_latencies(
        self, section: str, name: str, ours: list[float], other: list[float] | None = None
    ) -> None:
        """p50 and p99 of latencies in seconds."""
        for share in (0.5, 0.99):
            self.add(
                section,
                f"{name}, p{share * 100:.0f}",
                milliseconds(percentile(ours, share)),
                milliseconds(percentile(other, share)) if other else None,
                unit="ms",
            )

    def add_cpu(self, section: str, ours: dict[str, float], other: dict[str, float]) -> None:
        """CPU by process, in milliseconds a job; processes that idled are left out."""
        for name in dict.fromkeys([*ours, *other]):
            pair = ours.get(name, 0.0), other.get(name, 0.0)
            if max(pair) >= 0.05:
                self.add(section, f"CPU a job: {name}", *pair, unit="ms")
        totals = sum(ours.values()), sum(other.values())
        if any(totals):
            self.add(section, "CPU a job: all", *totals, unit="ms")

    def target(self, name: str, value: float, limit: float, *, at_least: bool = False) -> None:
        self.targets.append(Target(name, value, limit, at_least))

    def show(self, section: str, other: str = "floor") -> None:
        table = Table(title=section, title_justify="left", title_style="bold", min_width=80)
        table.add_column("measure")
        for heading in ("darkroom", other, "ratio", ""):
            table.add_column(heading, justify="right" if heading else "left")
        for row in self.rows:
            if row.section == section:
                table.add_row(row.name, *_cells(row), row.unit)
        self.console.print(table)

    def show_grid(
        self,
        title: str,
        columns: Sequence[str],
        rows: Mapping[str, Sequence[float | None]],
        digits: int = 1,
    ) -> None:
        """Print it at once; what could not be measured is left empty."""
        self.grids.append(Grid(title, columns, rows, digits))
        table = Table(title=title, title_justify="left", title_style="bold", min_width=80)
        table.add_column("")
        for heading in columns:
            table.add_column(heading, justify="right")
        for name, values in rows.items():
            table.add_row(name, *(_number(value, digits) for value in values))
        self.console.print(table)

    def show_targets(self) -> None:
        table = Table(title="Targets", title_justify="left", title_style="bold", min_width=80)
        for heading in ("", "target", "measured", "limit"):
            table.add_column(
                heading, justify="right" if heading in ("measured", "limit") else "left"
            )
        for target in self.targets:
            mark = Text("✓", style="green") if target.is_met else Text("✗", style="red")
            limit = f"{'≥' if target.at_least else '≤'} {target.limit:g}"
            table.add_row(mark, target.name, f"{target.value:.2f}", limit)
        self.console.print(table)

    def as_json(self) -> dict[str, object]:
        return {
            "rows": [asdict(row) for row in self.rows],
            "grids": [asdict(grid) for grid in self.grids],
            "targets": [{**asdict(target), "is_met": target.is_met} for target in self.targets],
        }


def _cells(row: Row) -> tuple[str, str, str]:
    ratio = f"{row.ours / row.other:.2f}" if row.ours is not None and row.other else ""
    return _number(row.ours, row.digits), _number(row.other, row.digits), ratio


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
