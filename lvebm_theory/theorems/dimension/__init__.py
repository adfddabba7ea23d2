"""How rates and times depend on the dimension."""
