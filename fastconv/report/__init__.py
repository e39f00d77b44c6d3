"""How results are shown and kept: words for numbers, tables, records as JSON, pictures; one kit for every command."""

from fastconv.report.record import Record, plain_data, read_record
from fastconv.report.table import Report, Table
from fastconv.report.words import MISSING, format_bytes, format_count, format_number, format_seconds, format_times

__all__ = [
    "MISSING",
    "Record",
    "Report",
    "Table",
    "format_bytes",
    "format_count",
    "format_number",
    "format_seconds",
    "format_times",
    "plain_data",
    "read_record",
]
