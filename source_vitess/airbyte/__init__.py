"""Airbyte's side: catalog, state messages, record lines, failures."""
