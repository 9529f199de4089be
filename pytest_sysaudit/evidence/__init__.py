"""What is kept of what was seen, and what is taken out of it first."""
