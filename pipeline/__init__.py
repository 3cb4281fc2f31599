"""The science: the two papers as a library, one folder per concept, knowing no path, no DVC and no command line."""
