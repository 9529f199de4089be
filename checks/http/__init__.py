"""HTTP endpoints: headers, cookies, methods, error pages."""
