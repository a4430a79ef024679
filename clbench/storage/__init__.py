"""Files written whole or not at all, and the cache of what is costly to make."""
