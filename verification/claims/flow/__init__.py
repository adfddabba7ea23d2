"""Claims about the flow of one energy."""
