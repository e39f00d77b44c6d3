"""Extension of Sphinx: names of the API in plain code become links.

Pages are read on code hosts too, which show a role such as ``{py:func}`` as it is written. They say
```fastconv.conv2d``` instead, and here that becomes a link where the reference has such a name.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform

_NAME = re.compile(r"(?:fc|fastconv)((?:\.\w+)+)(?:\(.*\))?")


class CodeLinks(SphinxTransform):
    """Wrap inline code that is a dotted name of the package into a reference, which may stay unresolved."""

    default_priority = 400

    def apply(self, **_: Any) -> None:
        """Visit every inline code of a page."""
        for code in list(self.document.findall(nodes.literal)):
            found = _NAME.fullmatch(code.astext())
            if found is None or isinstance(code.parent, (pending_xref, nodes.reference, nodes.title)):
                continue
            reference = pending_xref(
                "", refdomain="py", reftype="obj", reftarget=f"fastconv{found[1]}", refdoc=self.env.docname
            )
            code.replace_self(reference)
            reference += code


def setup(app: Any) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(CodeLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
