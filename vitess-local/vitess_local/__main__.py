"""Makes `python -m vitess_local` the same as the `vitess-local` command."""

import sys

from vitess_local.cli import main

if __name__ == "__main__":
    sys.exit(main())
