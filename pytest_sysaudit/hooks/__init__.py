"""One file a concern of pytest's."""
