"""One run from end to end, what it leaves in its folder, and compressed models written out."""
