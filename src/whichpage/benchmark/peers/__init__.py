"""`whichpage bench peers`: other ways to find the page of a photo, on the same pages and photos."""

# In the order of the report. Known without the extra, so that `--help` can name them.
NAMES = (
    "phash",
    "dhash",
    "phash-finder",
    "dhash-finder",
    "orb",
    "sift",
    "ocr",
    "ocr-scans",
    "article",
    "whichpage-scans",
    "whichpage",
)
