"""Attribution -> how distributed the function is: energy by order, joint effects, pictures."""
