"""How the process computes: threads, determinism, and what runs beside it."""
