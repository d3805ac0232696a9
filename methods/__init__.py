"""Problem -> attribution: one file or folder a family of methods, found by its name alone.

A file or folder with a leading underscore is passed over.
"""
