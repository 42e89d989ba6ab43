"""The part of the library that scripts import."""
