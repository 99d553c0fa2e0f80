"""What entoflow's task scripts share. Each task is handed exactly the files that it imports."""

__version__ = "0.2.0"
