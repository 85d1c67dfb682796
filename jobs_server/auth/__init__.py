"""Who asks: every request becomes an Actor here, and nowhere else.

A view names what it needs (`access.needs`), and asks the gate for its actor once it knows for whom or where it acts.
"""
