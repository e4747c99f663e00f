"""What is known of a data set, for people: counts, findings, and what it is ready for."""

from collections.abc import Iterable, Iterator

from eyebright.cli.findings import tell_findings
from eyebright.cli.terminal import show, show_facts, show_table, size
from eyebright_wire.datasets import Changes, DatasetReport, Readiness


def show_report(report: DatasetReport) -> None:
    """Counts per class and split, then what is worth knowing."""
    images = report.images
    objects = {split: sum(report.instances_per_class[split].values()) for split in report.instances_per_class}
    facts = [
        ("format", report.format),
        ("size", size(report.size_bytes)),
        ("images", _counted(images)),
        ("objects", _counted(objects)),
        ("captions", f"{report.captions:,}" if report.captions else ""),
        ("classes", f"{len(report.classes):,}" if report.classes else ""),
        ("changes", changes_line(report.changes)),
    ]
    show_facts(facts)
    columns = [(split, f"{split} {what}", counts) for split in images for what, counts in _tables(report)]
    rows = [(name, *(counts.get(split, {}).get(name, 0) for split, _, counts in columns)) for name in report.classes]
    if rows or not report.captions:
        show_table(("class", *(heading for _, heading, _ in columns)), rows, "No classes.")
    tell_findings(report.findings)


def show_readiness(verdicts: Iterable[Readiness], name: str) -> None:
    """What it is ready for, or what is missing: once for all tasks that lack the same."""
    lacking: dict[tuple[str, ...], list[str]] = {}
    for verdict in verdicts:
        lacking.setdefault(verdict.missing, []).append(verdict.task)
    ready = lacking.pop((), [])
    if ready:
        show(f"{name} is ready for {', '.join(ready)}", "green")
    for missing, tasks in lacking.items():
        show(f"{name} is not ready for {', '.join(tasks)}:", "" if ready else "red")
        for reason in missing:
            show(f"  - {reason}")


def changes_line(changes: Changes | None) -> str:
    """`3 (class_dropped 2, image_left_out 1)`; nothing when there are none."""
    return f"{changes.count:,} ({', '.join(f'{code} {n:,}' for code, n in changes.by_code.items())})" if changes else ""


def _tables(report: DatasetReport) -> Iterator[tuple[str, dict[str, dict[str, int]]]]:
    """What is counted of each class, by split and class."""
    yield "images", report.images_per_class
    if report.instances_per_class:
        yield "objects", report.instances_per_class


def _counted(by_split: dict[str, int]) -> str:
    """`1,200 (960 train, 240 val)`."""
    parts = ", ".join(f"{count:,} {split}" for split, count in by_split.items())
    return f"{sum(by_split.values()):,} ({parts})" if by_split else ""
