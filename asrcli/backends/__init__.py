"""Backends: engines in the engine process, and servers on other machines. `registry` is the table of them."""
