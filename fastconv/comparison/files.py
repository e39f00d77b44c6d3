"""Files that are written whole or not at all: the names of `fastconv.files`, where they have always been."""

from fastconv.files import check_writable, write_whole

__all__ = ["check_writable", "write_whole"]
