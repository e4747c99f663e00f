"""`python -m benchmarks [--only NAME] [--list]`: one JSON line on stdout for each figure, everything else on stderr.

A figure that falls short is printed like any other, with `holds` false. The exit code is 0 as long as every figure could be
measured; one that this machine has not got the hardware for is named on stderr and does not count.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

from benchmarks.figure import Family, NotHere
from benchmarks.registry import chosen, figures
from benchmarks.spread import say


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.list:
        return _list()
    try:
        families = chosen(arguments.only)
    except KeyError:
        return _unknown(arguments.only)
    return max([_measured(family, arguments.only) for family in families])


def _measured(family: Family, only: str | None) -> int:
    """Prints the family's figures, or the one that was asked for; 1 when they could not be measured."""
    wanted = [figure for figure in family.figures if only in (None, figure.name)]
    names = ", ".join(figure.name for figure in wanted)
    say(f"── {names}")
    try:
        values = family.measure()
    except NotHere as reason:
        say(f"{names}: not measured here: {reason}")
        return 0
    except Exception:
        traceback.print_exc()
        say(f"{names}: could not be measured")
        return 1
    for figure in wanted:
        print(figure.line(values[figure.name]), flush=True)
    return 0


def _list() -> int:
    for figure in figures():
        sign = "≤" if figure.lower_is_better else "≥"
        print(f"{figure.name:28} {sign} {figure.bar:g} {figure.unit:10} {figure.against}")
    return 0


def _unknown(name: str) -> int:
    near = get_close_matches(name, names := [figure.name for figure in figures()], n=1)
    say(f"there is no figure {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"))
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="measure this figure alone")
    parser.add_argument("--list", action="store_true", help="print the figures and their bars, measure nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
