"""`python -m autograder` is the command `autograder`."""

from autograder.cli import main

# The processes that grade import this file too, under another name.
if __name__ == "__main__":
    main()
