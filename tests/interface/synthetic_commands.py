"""A subcommand as another package would bring it."""


def hello(name: str) -> None:
    """Greets."""
    print(f"hello {name}")
