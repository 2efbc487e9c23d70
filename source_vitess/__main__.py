"""`python -m source_vitess`: the console script."""

from source_vitess.entrypoint import main

main()
