"""How the database came to be, one step a file in ``versions``; `store/database.py` runs the steps."""
