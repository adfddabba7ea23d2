"""Claims about barriers: small gaps, hitting times, and what a start has to do with them."""
