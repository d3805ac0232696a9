"""What is planted, and so known: parities, networks that compute them, codes in layers."""
