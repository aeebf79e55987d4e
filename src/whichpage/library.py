"""The library: add books to it, find the page that a photo shows, look after it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from whichpage.adding import Adder
from whichpage.catalog import Book, Catalog, LibraryInfo
from whichpage.checking import CheckReport, check, lost, unchanged_place
from whichpage.cores import usable_cores
from whichpage.errors import BookNotFound, LibraryChanged, SourceError
from whichpage.files import PDF_SUFFIXES, absolute, scan
from whichpage.indexing import AddProgress, AddReport, Indexing
from whichpage.pool import Pool
from whichpage.tasks import Setup
from whichpage.transcribing import ReadReport, Transcribing
from whichpage.types import Answer, Colour, Grey, Match

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from whichpage.featuresearch import FeatureSearch
    from whichpage.finding import Finder
    from whichpage.reading import TextReader

__all__ = [
    "AddProgress",
    "AddReport",
    "Book",
    "CheckReport",
    "Library",
    "LibraryInfo",
    "ReadReport",
    "default_path",
]

# What a worker may allocate, and how long it may take over one page, before it is killed.
WORKER_MEMORY = 800 << 20
WORKER_SECONDS = 60.0
# What one that reads may allocate: the models that read text take more than the encoder.
READER_MEMORY = 1600 << 20
# How often a photo is looked for while books are being removed from under the search.
SEARCHES = 3

_log = logging.getLogger(__name__)


class Library:
    """A library of books on disk; a context manager.

    Threads may share one; processes open their own, and see each other's changes.
    """

    def __init__(self, catalog: Catalog, *, model: Path | None = None, text: bool = True) -> None:
        self._catalog = catalog
        self._model = model
        self._text = text
        self._finder: tuple[int, Finder] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._loading = threading.Lock()

    @classmethod
    def open(
        cls,
        path: Path | str | None = None,
        *,
        model: Path | None = None,
        create: bool = False,
        text: bool = True,
    ) -> Self:
        """Opens a library.

        Args:
            path: its folder; None for the one that `default_path` names.
            model: an encoder to use instead of the one that ships with whichpage.
            create: make an empty library where there is none.
            text: find photos by their text too, where looks do not tell; else by looks alone.

        Raises:
            LibraryNotFound: there is none, and `create` is false.
            LibraryOutdated: it is of a newer format; of another model, only adding and finding mind.
            LibraryError: it is damaged, or the folder cannot be used.
        """
        folder = absolute(Path(path)) if path is not None else default_path()
        return cls(Catalog.open(folder, create=create), model=model, text=text)

    def add(
        self,
        *paths: Path | str,
        workers: int | None = None,
        renew: bool = False,
        progress: Callable[[AddProgress], None] | None = None,
    ) -> AddReport:
        """Indexes PDFs, CBZ/ZIP archives of images, folders of images and images; folders are walked.

        What is known is skipped, what was interrupted goes on: stop this at any moment, even by killing
        the process, and call it again. Files that cannot be indexed are in the report, not raised. Pages that
        could not be read are tried again where a path is that of their book, not of a folder above it. Pages
        of an older whichpage get the local features that they lack.

        Args:
            paths: files and folders.
            workers: processes that read and encode; None for one a core.
            renew: index all books of the library anew, as after a change of the model; go on with that where
                it was interrupted. A page keeps its text if its file has none, and stays as it was if its
                file cannot be read.
            progress: called after every few pages, and several times a second while they take long or another
                adder is waited for; what it raises ends the add, which goes on another time.

        Raises:
            LibraryOutdated: the library was made with another model, and `renew` is false.
            LibraryError: it cannot be written.
            ModelError: a model cannot be loaded.
        """
        # Here and not above: listing books must not load ONNX Runtime.
        from whichpage.encoder import Encoder, model_id
        from whichpage.features import SHIPPED_FEATURES, FeatureExtractor

        setup = Setup("whichpage.encoder:Encoder.load", self._model, WORKER_MEMORY)
        places = [Path(path) for path in paths]
        model, features = model_id(self._model), model_id(SHIPPED_FEATURES)
        if renew or (self._catalog.model(), self._catalog.features_model()) != (model, features):
            # Nothing of another model is given up for one that cannot be loaded.
            Encoder.load(self._model)
            FeatureExtractor.load()
        with (
            Adder(self._catalog, model, features=features) as adder,
            Pool(setup, size=workers or usable_cores(), seconds=WORKER_SECONDS) as pool,
        ):
            renewed = adder.renew() if renew else []
            adder.use_models()
            found = scan(places, books=renewed, closed=self._catalog.database.locks)
            report = Indexing(adder, pool, progress).run(
                found, self._catalog.known(), unread=self._catalog.has_unread
            )
            if renew:
                adder.end_renewal()
            adder.sweep()
            _log.info("%d pages in %.1f s", report.pages, report.seconds)
            began = time.monotonic()
            described = self._describe(adder, threads=workers or usable_cores(), progress=progress)
        return replace(report, described=described, seconds=report.seconds + time.monotonic() - began)

    def _describe(self, adder: Adder, *, threads: int, progress: Callable[[AddProgress], None] | None) -> int:
        """Gives pages of an older whichpage the local features that they lack; how many there were."""
        if self._catalog.all_described():
            return 0
        from whichpage.describing import describe_pages
        from whichpage.features import FeatureExtractor

        extractor = FeatureExtractor.load(threads=1)
        return describe_pages(self._catalog, adder, extractor, threads=threads, progress=progress)

    def read(
        self,
        *books: str | int,
        workers: int | None = None,
        progress: Callable[[AddProgress], None] | None = None,
    ) -> ReadReport:
        """Reads pages by OCR whose files hold no text, so that scans are found by their text as well.

        Takes two to four seconds a page and core. What was read is kept every few pages: stop this at any
        moment, even by killing the process, and call it again. Books that cannot be read are in the report,
        not raised.

        Args:
            books: as `remove` takes them; none for all.
            workers: processes that read; None for one a core.
            progress: called after every few pages.

        Raises:
            BookNotFound: no book has one of the names.
            LibraryError: several have it, or the library cannot be written.
        """
        chosen = [self._catalog.find_book(book) for book in books] if books else self._catalog.books()
        complete = [book for book in chosen if book.state == "complete"]
        # One that was named is not passed over in silence.
        unfinished = [book for book in chosen if books and book.state == "unfinished"]
        refused = tuple((book.path, "is not finished: add it again first") for book in unfinished)
        setup = Setup(None, None, READER_MEMORY)
        with Pool(setup, size=workers or usable_cores(), seconds=WORKER_SECONDS) as pool:
            report = Transcribing(self._catalog, pool, progress).run(complete)
        _log.info("%d pages read in %.1f s", report.pages, report.seconds)
        return replace(report, failed=(*refused, *report.failed))

    def find(self, photo: Path | str | bytes | Grey | Colour, *, top: int = 5) -> Answer:
        """The pages of the library that a photo shows; none of them verified when it shows none.

        Args:
            photo: a file, the bytes of one, or (H, W) or (H, W, 3) uint8 pixels.
            top: how many matches to answer at most; verified ones are never cut off.

        Raises:
            PhotoError: the photo cannot be read.
            LibraryOutdated: the library was made with another model.
            LibraryChanged: books are being removed faster than one photo can be looked for.
            ModelError: a model cannot be loaded.
        """
        name = str(photo) if isinstance(photo, Path | str) else "-"
        for _ in range(SEARCHES - 1):
            with suppress(LibraryChanged):
                return self.finder().find(photo, name=name, top=top)
        return self.finder().find(photo, name=name, top=top)

    def finder(self) -> Finder:
        """The models and the index over what the library holds now, whoever added it.

        Raises:
            LibraryOutdated: the library was made with another model.
            ModelError: a model cannot be loaded.
        """
        # Here and not above: listing books must load neither ONNX Runtime nor faiss.
        from whichpage.encoder import Encoder, model_id
        from whichpage.finding import Finder, search_threads
        from whichpage.findoptions import FindOptions
        from whichpage.index import FlatIndex
        from whichpage.pagefinder import PageFinder

        with self._loading:
            generation = self._catalog.generation()
            if self._finder is None:
                self._catalog.require_model(model_id(self._model))
                threads = usable_cores()
                encoder = Encoder.load(self._model, threads=threads)
                page_finder = PageFinder.load(threads=threads)
            elif self._finder[0] != generation:
                self._catalog.require_model(model_id(self._model))
                encoder, page_finder = self._finder[1].encoder, self._finder[1].page_finder
            else:
                return self._finder[1]
            index = FlatIndex(*self._catalog.codes())
            reader = self._finder[1].reader if self._finder else self._reader()
            # One finder comes after the other as the library changes; the threads stay.
            self._threads = self._threads or search_threads()
            finder = Finder(
                encoder,
                page_finder,
                index,
                self._catalog,
                FindOptions(),
                reader=reader,
                features=self._feature_search(),
                threads=self._threads,
            )
            self._finder = generation, finder
            return self._finder[1]

    def _feature_search(self) -> FeatureSearch | None:
        """Finds by local features; None where the library has none, or those of another model."""
        from whichpage.encoder import model_id
        from whichpage.features import SHIPPED_FEATURES, FeatureExtractor
        from whichpage.featuresearch import FeatureSearch

        model = model_id(SHIPPED_FEATURES)
        if self._catalog.features_model() != model:
            return None
        kept = self._catalog.database.folder / f"features.{model}-{self._catalog.state()}.faiss"
        complete = self._catalog.all_described()
        before = self._finder[1].features if self._finder else None
        extractor = before.extractor if before else FeatureExtractor.load(threads=1)
        # While features are missing, the file's name would not tell which.
        return FeatureSearch(extractor, self._catalog, complete=complete, kept=kept if complete else None)

    def _reader(self) -> TextReader | None:
        from whichpage.reading import TextReader

        return TextReader(threads=usable_cores()) if self._text else None

    def books(self) -> list[Book]:
        """All books, sorted by path; those whose indexing was interrupted as well."""
        return self._catalog.books()

    def info(self) -> LibraryInfo:
        """Where the library is, what it holds, how large it is and which model made it."""
        return self._catalog.info()

    def remove(self, book: str | int) -> Book:
        """Removes a book; its files are left alone.

        Args:
            book: its id, or its path, else its file's name with or without the suffix, else its title.

        Raises:
            BookNotFound: no book has the name.
            LibraryError: several have it.
        """
        return self._catalog.remove(book)

    def missing(self) -> list[Book]:
        """The books none of whose files are there any more; of a disk that is not mounted, all of them."""
        return lost(self._catalog)

    def at_hand(self, answer: Answer) -> Answer:
        """The answer, naming of each verified page a file that is as it was indexed, where there is any.

        A book is answered with the first of its files, which may be gone or changed while a copy is not.
        """

        def named(match: Match) -> Match:
            with suppress(BookNotFound):
                book = self._catalog.book_at(match.source)
                return replace(match, source=unchanged_place(self._catalog, book.id) or match.source)
            return match

        return _with_verified(answer, named)

    def with_image_names(self, answer: Answer) -> Answer:
        """The answer with `image_name` of verified pages that lack it, for people with folders of scans.

        The files of books that are no PDFs are asked, which `find` does without: a disk that sleeps takes
        seconds to wake. Where a book is no longer as it was indexed its pages may be other images: none is
        named.
        """
        from whichpage.sources import image_name

        def named(match: Match) -> Match:
            if match.image_name is not None or match.source.suffix.lower() in PDF_SUFFIXES:
                return match
            with suppress(BookNotFound, SourceError):  # removed or gone meanwhile
                book = self._catalog.book_at(match.source)
                if unchanged_place(self._catalog, book.id) == match.source:
                    return replace(match, image_name=image_name(match.source, match.page))
            return match

        return _with_verified(answer, named)

    def check(self) -> CheckReport:
        """Looks whether the library is whole, and the books' files are still there and unchanged."""
        return check(self._catalog)

    @property
    def catalog(self) -> Catalog:
        """What the library knows of its books and pages, for whoever asks more than this facade answers."""
        return self._catalog

    def close(self) -> None:
        """Ends the threads that search, and closes the library's files."""
        with self._loading:
            threads, self._threads, self._finder = self._threads, None, None
        if threads:
            threads.shutdown(cancel_futures=True)
        self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _with_verified(answer: Answer, change: Callable[[Match], Match]) -> Answer:
    """The answer, its verified matches changed."""
    matches = tuple(change(match) if match.verified else match for match in answer.matches)
    return replace(answer, matches=matches)


def default_path() -> Path:
    """The folder in WHICHPAGE_LIBRARY, else where the platform keeps user data."""
    if named := os.environ.get("WHICHPAGE_LIBRARY"):
        return absolute(Path(named))
    import platformdirs

    return platformdirs.user_data_path("whichpage", appauthor=False)
