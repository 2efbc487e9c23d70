"""`python -m destination_readyset`."""

from destination_readyset.entrypoint import main

if __name__ == "__main__":
    main()
