"""What stands on a machine's screen, as text."""

import re

from .paths import ROOT

WIDTH, HEIGHT = 8, 16


def _glyphs():
    """{16 row bytes: character}, from the font that gdbvisor draws with."""
    source = (ROOT / "drivers" / "vga" / "font.c").read_text(encoding="ascii")
    rows = re.findall(r"\{((?:0x[0-9a-f]{2},?){16})\}", source)
    return {bytes(int(byte, 16) for byte in row.rstrip(",").split(",")): chr(0x20 + index)
            for index, row in enumerate(rows)}


def text_mode(memory):
    """The 80x25 cells of the VGA's text memory (4000 bytes)."""
    cells = memory[::2].decode("cp437")
    return "\n".join(cells[i:i + 80].rstrip("\0 ") for i in range(0, 2000, 80))


def picture(ppm):
    """The text in a binary PPM: 8x16 cells from the upper left corner, light on dark."""
    match = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
    width, height = int(match[1]), int(match[2])
    green = ppm[match.end() + 1::3]
    glyphs = _glyphs()
    lines = []
    for top in range(0, height - HEIGHT + 1, HEIGHT):
        line = ""
        for left in range(0, width - WIDTH + 1, WIDTH):
            rows = bytearray()
            for y in range(top, top + HEIGHT):
                start = y * width + left
                bits = 0
                for value in green[start:start + WIDTH]:
                    bits = bits << 1 | (value > 64)
                rows.append(bits)
            line += glyphs.get(bytes(rows), "?")
        lines.append(line.rstrip())
    return "\n".join(lines).rstrip()
