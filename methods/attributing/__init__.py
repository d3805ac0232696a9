"""Instance-wise methods: rows to explain -> contributions of units -> one score a unit."""
