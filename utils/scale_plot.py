"""The plot of utils/scale: two panels as SVG, readable on light and on dark pages."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 450, 330, 62, 14, 56, 48
COLOURS = dict(sets="#2f81c7", creates="#d1711c", gets="#3a9d4e")
COLOURS["9 gets to a set"] = "#a35bc4"
INK = "#808080"


def nice_step(most):
    """1, 2 or 5 times a power of ten, for some five lines up to `most`."""
    step = 1
    while step * 10 < most / 5:
        step *= 10
    return next(step * times for times in (1, 2, 5, 10) if step * times * 6 >= most)


def amount(value):
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value else "0"


def text(x, y, words, anchor="middle", size=12, colour=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" ' \
           f'fill="{colour}"{more}>{words}</text>'


class Panel:
    """`lines`: (name, dashed, {members: value}); `dots`: (name, members, value)."""

    def __init__(self, x, title, unit, lines, dots):
        self.x, self.title, self.unit = x, title, unit
        self.lines, self.dots = lines, dots
        most = max([value for _, _, line in lines for value in line.values()] +
                   [value for _, _, value in dots])
        self.step = nice_step(most)
        self.top = self.step * -(-most // self.step)
        self.members = sorted(lines[0][2])

    def place(self, members, value):
        right, left = WIDTH - RIGHT, LEFT
        first, last = self.members[0] - 0.5, self.members[-1] + 0.5
        return (self.x + left + (members - first) / (last - first) * (right - left),
                HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM))

    def draw(self):
        middle = self.x + (LEFT + WIDTH - RIGHT) / 2
        yield text(middle, 20, self.title, size=14)
        value = 0
        while value <= self.top:
            x, y = self.place(self.members[0] - 0.5, value)
            yield f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{self.x + WIDTH - RIGHT}" y2="{y:.1f}" ' \
                  f'stroke="{INK}" stroke-opacity="0.3"/>'
            yield text(x - 6, y + 4, amount(value), "end")
            value += self.step
        for members in self.members:
            yield text(self.place(members, 0)[0], HEIGHT - BOTTOM + 17, members)
        yield text(middle, HEIGHT - 10, "voting members")
        middle_y = (TOP + HEIGHT - BOTTOM) / 2
        yield text(self.x + 13, middle_y, self.unit,
                   more=f' transform="rotate(-90 {self.x + 13} {middle_y:.1f})"')
        yield from self.draw_lines()

    def draw_lines(self):
        for name, dashed, line in self.lines:
            points = " ".join("{:.1f},{:.1f}".format(*self.place(*each))
                              for each in sorted(line.items()))
            yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" ' \
                  'stroke-width="2"' + (' stroke-dasharray="6 4"' if dashed else "") + "/>"
        for name, members, value in self.dots:
            x, y = self.place(members, value)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[name]}"/>'
        names = list(dict.fromkeys(name for name, _, _ in self.lines))
        for i, name in enumerate(names):
            yield text(self.x + LEFT + 25 + 100 * i, 42, name, size=13, colour=COLOURS[name])
        yield text(self.x + WIDTH - RIGHT, 42, "dashed: 10 observers more", "end", 11)


def write(path, panels):
    parts = [part for panel in panels for part in panel.draw()]
    width = WIDTH * len(panels)
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
                   f'width="{width}" height="{HEIGHT}" font-family="sans-serif">\n' +
                   "\n".join(parts) + "\n</svg>\n")
