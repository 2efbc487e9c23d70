"""MySQL's types: one module per family, each with its wire forms, JSON schema and encoder."""
