"""The claims, by subject: one file each, found by walking this package."""
