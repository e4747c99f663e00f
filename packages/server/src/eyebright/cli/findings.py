"""What was found in data, as lines for people: the finding, and the first files that it is about."""

from collections.abc import Iterable

from eyebright.cli.paths import some_of
from eyebright.cli.terminal import say
from eyebright_wire.datasets import Finding


def tell_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        consequence = f" ({finding.consequence})" if finding.consequence else ""
        say(f"{finding.severity}: {finding.message}{consequence}")
        if finding.count > 1:  # a single one is part of the message
            say(f"    {some_of(finding.examples, finding.count)}")
