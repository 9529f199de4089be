"""Stand-ins on loopback for targets that the inventory marks as embedded."""
