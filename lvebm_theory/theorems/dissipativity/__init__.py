"""What dissipativity alone gives: moments, existence, and convergence without an LSI."""
