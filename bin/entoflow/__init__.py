"""What entoflow's task scripts share. Flat: each task is handed exactly the files that it imports."""
__version__ = "0.1.0"
