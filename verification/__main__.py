"""``python -m verification``: the ``lvebm`` command."""

from .cli import main

if __name__ == "__main__":
    main()
