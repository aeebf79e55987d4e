"""Measuring whichpage: `whichpage bench`. It uses the package; nothing in the package uses it."""
