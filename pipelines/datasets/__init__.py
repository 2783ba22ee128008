"""Labelled data: loaders for the formats it comes in, its kinds of rows, and splits that leak nothing."""
