"""The model card of a classifier: what it is worth and how it is used. The rest is as in every task."""

from eyebright_torch.card import Facts, cell, closing, exports, opening, table, use
from eyebright_torch.classification.metrics import Report


def card(facts: Facts, report: Report) -> str:
    """Markdown."""
    sections = (
        opening(facts, "An image classifier, trained by Eyebright."),
        _results(facts, report),
        _classes(report),
        use(facts, "Output: one logit per class, in the order of `labels.json`; softmax is not included."),
        exports(facts, "greatest difference of a logit", "top-1"),
        *closing(facts),
    )
    return "\n\n".join(sections) + "\n"


def _results(facts: Facts, report: Report) -> str:
    scores = report.scores
    rows = [
        ("top-1 accuracy", f"{scores.top1:.4f}"),
        ("loss", f"{scores.loss:.4f}"),
        ("macro F1", f"{report.macro_f1:.4f}"),
    ]
    if scores.top5 is not None:
        rows.insert(1, ("top-5 accuracy", f"{scores.top5:.4f}"))
    return f"## Results\n\n{facts.where_judged}\n\n{table(('metric', 'value'), rows)}"


def _classes(report: Report) -> str:
    rows = (
        (cell(name), f"{p:.3f}", f"{r:.3f}", f"{f:.3f}", str(n))
        for name, p, r, f, n in zip(
            report.classes, report.precision, report.recall, report.f1, report.support, strict=True
        )
    )
    return f"## Classes\n\n{table(('class', 'precision', 'recall', 'F1', 'images'), rows)}"
