"""The commands of `gdbvisor ...`; tools/gdbvisor.py loads them."""
