"""Claims about how rates and times depend on the dimension."""
