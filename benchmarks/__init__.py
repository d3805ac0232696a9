"""Project -> its speed and the rows it asks for, side by side with others in one run."""
