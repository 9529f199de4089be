"""testinfra's resources (file, package, service, user, ...), answered from fact tables."""
