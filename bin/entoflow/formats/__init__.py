"""The formats in which people give images with boxes or labels.

A format of boxes is one module with two functions: recognises(source) and read(source);
box_formats.py has the table of them.
"""
