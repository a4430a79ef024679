"""The YAML and JSON forms, and how their mistakes are told."""
