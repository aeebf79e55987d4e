"""`whichpage serve`: the library as an HTTP API, and a page for the phone. Needs the extra `web`.

The story of a request: `guard` lets it in, `api` has its routes, `desk` gives it a turn, and the library
answers. What reads hostile files runs in processes of its own (`rendering`); `problems` says what is wrong.
"""
