"""Config files: YAML into typed structs, with errors that name the key."""
