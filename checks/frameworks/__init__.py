"""Numbers of frameworks, and what is checked of them: one YAML file each."""
