"""Import files of other projects, checked before they are read, without running any code that they name."""
