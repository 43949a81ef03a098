"""Bounds on what a bundle may claim. A reader enforces them before it spends memory or time.

A writer refuses to exceed them.
"""

from __future__ import annotations

MIB = 1024 * 1024

MAX_ENTRIES = 2_000_000  # bounds the memory of the entry list on a hostile bundle
MAX_MEMBERS = 1_000_000  # tar members; small files travel in packs, so real bundles have far fewer
MAX_MEMBER = 8 * 1024 * MIB - 1  # the largest size that a ustar header can say
MAX_PATH = 1024  # bytes; Linux resolves no more than 4096, and a site puts its own folder in front
MAX_DOCUMENT = 8 * MIB  # any one signed or descriptive document
MAX_MANIFEST = 256 * MIB  # the OCI manifest, one descriptor of about 200 bytes for each member
MAX_LIST = 1024 * MIB  # the entry list and the list of stored forms, uncompressed
MAX_DOCUMENTS = 600  # TUF allows 256 root versions; the rest is a handful
MAX_WINDOW = 128 * MIB  # zstd window that a reader grants; level 3 needs 2 MiB
MAX_PATCH = (
    1024 * MIB
)  # a patch is never kept when it is larger than the file it makes, and that is bounded by settings
WHOLE = 16 * MIB  # files up to this size are handled in one piece; larger ones are streamed
CHUNK = MIB  # piece size of every stream

SMALL = 64 * 1024  # files up to this size share packs
PACK_MAX = 4 * MIB  # a pack ends here at the latest: the most that is decompressed to read one small file
PACK_MIN = 1 * MIB  # and not before this, unless nothing is left
PACK_MASK = 0x3F  # one file in 64 may end a pack, so that packs keep their borders when files around them change

MIN_GAIN = 0.9  # a delta must be smaller than this share of the plain stored form to be worth its base
