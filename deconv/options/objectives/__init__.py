"""The section `objective`, a class for each task."""
