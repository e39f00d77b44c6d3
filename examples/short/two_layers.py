"""Compare the speed of two layers
===============================

A 3×3 convolution of 128 channels beside the same one channel by channel, each held against plain loops.
"""

# sphinx_gallery_thumbnail_path = "_static/compare.png"

import fastconv as fc

found = fc.compare(["conv3x3_128_28", "depthwise3x3_128_28"], backends=("numpy", "fast"), repeats=5)
for row in found.rows:
    for each in row.passes:
        print(
            f"{row.name:20} {each.name:9} {each.seconds * 1e3:.3f} ms, loops take {each.times_faster:,.0f} times that"
        )
print("all results are within their tolerance" if found.ok else "a result is wrong")
