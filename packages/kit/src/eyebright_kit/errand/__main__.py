"""`python -m eyebright_kit.errand run SPEC`."""

import logging
import sys
from pathlib import Path

from eyebright_kit.errand.work import work

if __name__ == "__main__":
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S"
    )
    sys.exit(work(Path(sys.argv[2]).absolute()))
