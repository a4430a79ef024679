"""How the process computes: threads, determinism, what runs beside it, what it prints through."""
