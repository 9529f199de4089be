"""The page of the html report: a Jinja2 template, its style and its script."""
