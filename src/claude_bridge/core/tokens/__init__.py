"""How many tokens a prompt has, as far as that can be told here, and whether it fits."""
