"""`python -m eyebright`: the same as the command `eyebright`."""

from eyebright.cli import main

if __name__ == "__main__":
    main()
