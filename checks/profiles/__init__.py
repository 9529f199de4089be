"""Ready selections of controls: one YAML file each."""
