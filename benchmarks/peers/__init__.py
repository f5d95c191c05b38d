"""What else could do the same work on the same files."""
