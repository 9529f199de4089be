"""TLS: certificates, protocol versions, cipher suites."""
