"""`python -m eyebright_kit.importing run SPEC`."""

import sys

from eyebright_kit.importing import child

if __name__ == "__main__":
    # First of all: both processes read their modules at the same time.
    worker = child.start() if sys.argv[1:2] == ["run"] else None

    from eyebright_kit.importing.importer import Importer
    from eyebright_kit.importing.manifest import MANIFEST
    from eyebright_kit.runtime import main

    sys.exit(main(MANIFEST, lambda: Importer(worker)))
