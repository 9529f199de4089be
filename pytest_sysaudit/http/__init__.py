"""HTTP endpoints: the client that audits use, and what their TLS is like."""
