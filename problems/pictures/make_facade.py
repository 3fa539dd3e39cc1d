"""Draws facade.png, a wall of two storeys with black openings: three windows above, two and a door below.

``python problems/pictures/make_facade.py``
"""

from pathlib import Path

import numpy as np
from matplotlib.image import imsave

PIXELS = (360, 240)
"""Across and up; a pixel is a hundred-and-twentieth of the unit, of which the wall is 3 wide and 2 high."""
OPENINGS = [
    (60, 140, 34, 40),
    (180, 140, 34, 40),
    (300, 140, 34, 40),
    (60, 24, 34, 44),
    (180, 0, 44, 68),
    (300, 24, 34, 44),
]
"""Middle, sill, half width and height up to the springing of the arch, in pixels."""


def main():
    """Write the picture, its first row at the top."""
    across, up = np.meshgrid(np.arange(PIXELS[0]) + 0.5, np.arange(PIXELS[1]) + 0.5)
    open_ = np.zeros(across.shape, dtype=bool)
    for middle, sill, half, height in OPENINGS:
        away = np.abs(across - middle)
        springing = sill + height
        open_ |= (away < half) & (up > sill) & (up < springing)
        open_ |= (up >= springing) & (away**2 + (1.5 * (up - springing)) ** 2 < half**2)
    imsave(
        Path(__file__).with_name("facade.png"), np.where(open_, 0.0, 1.0)[::-1], cmap="gray", vmin=0, vmax=1
    )
    print(f"facade.png: {open_.mean():.1%} open")


if __name__ == "__main__":
    main()
