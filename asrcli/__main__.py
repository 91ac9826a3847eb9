"""`python -m asrcli` is the console script."""

from asrcli.cli.main import main

if __name__ == "__main__":
    main()
