"""`make demo`: a real host launches a real plugin, asks it, and shows what came back."""
