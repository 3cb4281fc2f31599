"""The one way in for files of other projects: checked before they are read, read without running what they name."""
