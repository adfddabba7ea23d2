"""Claims whose outcomes are known beforehand, to try everything between claims and the user."""
