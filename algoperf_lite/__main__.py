"""`python -m algoperf_lite`: the command line."""

from algoperf_lite.cli.main import main

if __name__ == "__main__":
    main()
