"""Another configuration without a restart: read reloads.py first; pipeline/service.py makes the change."""
