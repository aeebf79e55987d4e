"""The method of the article that whichpage started from, row by row of its table: the baseline to beat.

"Building a simple image search system", January 2022: ResNet18 with Tanh and ArcFace on augmented pages.
"""
