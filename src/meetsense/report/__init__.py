"""Values to what people read: a summary for the terminal, one HTML file for a browser.

Pure functions, no I/O. Nobody is ranked: people stand in the order in which they first appear. Every
figure stands with the events it rests on, its interval and its grade, and a withheld one has no number.
"""
