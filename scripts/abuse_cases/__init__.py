"""Bad input, group by group. Each group yields cases; `abuse.py` runs them."""
