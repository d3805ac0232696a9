"""Speed of the project, measured side by side in one run."""
