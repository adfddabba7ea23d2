"""``python -m verification``: the ``lvebm`` command."""

from .cli import main

main()
