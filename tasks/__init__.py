"""Tasks: one file a family; a leading underscore hides a file from discovery."""
