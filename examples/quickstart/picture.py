#!/usr/bin/env python3
"""What the demo looks like on a terminal, as an SVG picture.

    picture.py PATH/TO/nightjar PICTURE.svg

Runs demo.sh on a terminal of its own, one task after the other so that the
order is always the same, replays what it prints on a small screen, and draws
what is there at the end. Times are left out and folders are named the same:
the picture changes only when the program does.
"""
import fcntl
import os
import pty
import re
import struct
import sys
import tempfile
import termios
from xml.sax.saxutils import escape

COLUMNS, ROWS = 104, 50
CELL, LINE, SIZE, MARGIN, BAR = 7.8, 18, 13, 16, 30
FONT = ("ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', "
        "'Liberation Mono', monospace")
COLORS = {  # by SGR number: the class, on light, on dark
    31: ("red", "#b3261e", "#ff8078"),
    32: ("green", "#1a7f37", "#56d364"),
    33: ("yellow", "#8a6100", "#e3b341"),
    34: ("blue", "#0550ae", "#79b8ff"),
    35: ("magenta", "#8250df", "#d2a8ff"),
    36: ("cyan", "#0b6e75", "#56d4dd"),
    90: ("gray", "#656d76", "#8b949e"),
}


class Screen:
    """As much of a terminal as progress and tables need. Lines that leave it
    above are kept."""

    TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|([\r\n\b])|([^\x1b])")

    def __init__(self):
        self.lines = [[]]
        self.row = self.column = 0
        self.style = ()

    def put(self, character):
        if self.column == COLUMNS:
            self.newline()
            self.column = 0
        line = self.lines[self.row]
        line.extend([(" ", ())] * (self.column + 1 - len(line)))
        line[self.column] = (character, self.style)
        self.column += 1

    def newline(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def color(self, numbers):
        for number in numbers or [0]:
            if number == 0:
                self.style = ()
            elif number == 39:
                self.style = tuple(x for x in self.style if x not in COLORS)
            elif number in COLORS:
                self.style = (*(x for x in self.style if x not in COLORS),
                              number)
            elif number in (1, 2):
                self.style += (number,)

    def control(self, argument, final):
        numbers = [int(x) for x in argument.split(";") if x.isdigit()]
        count = max(1, numbers[0] if numbers else 1)
        if final == "m":
            self.color(numbers)
        elif final in "AF":
            self.row = max(0, self.row - count)
        elif final in "BE":
            self.row = min(len(self.lines) - 1, self.row + count)
        elif final == "C":
            self.column = min(COLUMNS - 1, self.column + count)
        elif final == "G":
            self.column = min(COLUMNS, count) - 1
        elif final in "JK":
            del self.lines[self.row][self.column:]
            if final == "J":
                del self.lines[self.row + 1:]
        elif not argument.startswith("?"):
            sys.exit(f"picture: the terminal was told {argument}{final}")
        if final in "EF":
            self.column = 0

    def feed(self, text):
        for argument, final, move, character in self.TOKEN.findall(text):
            if final:
                self.control(argument, final)
            elif move == "\n":
                self.newline()
            elif move == "\r":
                self.column = 0
            elif move == "\b":
                self.column = max(0, self.column - 1)
            elif character.isprintable():
                self.put(character)


def record(nightjar, folder):
    """What the demo prints on a terminal."""
    demo = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.sh")
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ,
                    struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("NO_COLOR", "CI", "GITHUB_ACTIONS",
                                       "GITLAB_CI")}
        environment["TERM"] = "xterm-256color"
        os.execve(demo, [demo, nightjar, folder, "--jobs", "1"], environment)
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # its end, on Linux
        pass
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = b"".join(parts).decode("utf-8", "replace")
    if status:
        sys.exit(f"picture: the demo ended with {status}:\n{text}")
    return text


def stable(text, folder):
    """Without what differs from one run to the next."""
    text = text.replace(folder, "~/demo")
    text = re.sub(r" +time(?=\r?\n)", "", text)
    return re.sub(r" +[0-9.]+m?s(?=\r?\n)", "", text)


def runs(line):
    """(column, text, style) of each part of a line that looks the same; what
    a font may not have stands alone, so that nothing else moves."""
    parts = []
    for column, (character, style) in enumerate(line):
        if (parts and parts[-1][2] == style and character.isascii()
                and parts[-1][1][-1].isascii()):
            parts[-1][1] += character
        else:
            parts.append([column, character, style])
    return [(column, text, style) for column, text, style in parts
            if text.strip()]


def span(column, text, style):
    names = [{1: "bold", 2: "dim"}.get(x) or COLORS[x][0] for x in style]
    trimmed = text.rstrip()
    # Leading blanks are places, too.
    column += len(trimmed) - len(trimmed.lstrip())
    trimmed = trimmed.lstrip()
    return (f'<tspan x="{MARGIN + column * CELL:.1f}" '
            f'textLength="{len(trimmed) * CELL:.1f}"'
            + (f' class="{" ".join(names)}"' if names else "")
            + f">{escape(trimmed)}</tspan>")


def style_sheet():
    def theme(background, bar, text, which):
        return (f".back {{ fill: {background}; stroke: {bar} }} "
                f".bar {{ fill: {bar} }} "
                f"text {{ fill: {text} }} "
                + " ".join(f".{color[0]} {{ fill: {color[which]} }}"
                           for color in COLORS.values()))

    return (f"text {{ font: {SIZE}px {FONT}; white-space: pre }}\n"
            ".bold { font-weight: bold } .dim { opacity: 0.7 }\n"
            + theme("#ffffff", "#eaeef2", "#1f2328", 1) + "\n"
            "@media (prefers-color-scheme: dark) {\n"
            + theme("#0d1117", "#21262d", "#e6edf3", 2) + "\n}")


def draw(lines, title):
    while lines and not lines[-1]:
        lines.pop()
    width = round(COLUMNS * CELL + 2 * MARGIN)
    height = BAR + LINE * len(lines) + 2 * MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
           f'height="{height}" viewBox="0 0 {width} {height}" role="img" '
           'aria-labelledby="title">',
           f'<title id="title">{escape(title)}</title>',
           "<!-- Made by `make picture`. -->",
           f"<style>\n{style_sheet()}\n</style>",
           f'<rect class="back" x="0.5" y="0.5" width="{width - 1}" '
           f'height="{height - 1}" rx="8"/>',
           f'<path class="bar" d="M0 {BAR}V8a8 8 0 0 1 8-8H{width - 8}a8 8 0 0 '
           f'1 8 8V{BAR}z"/>']
    out += [f'<circle class="gray" cx="{MARGIN + 4 + 18 * i}" cy="{BAR // 2}" '
            'r="5"/>' for i in range(3)]
    for number, line in enumerate(lines):
        parts = runs(line)
        if parts:
            y = BAR + MARGIN + LINE * (number + 1) - 5
            out.append(f'<text y="{y}">'
                       + "".join(span(*part) for part in parts) + "</text>")
    return "\n".join([*out, "</svg>", ""])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    nightjar, target = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="nightjar-picture-") as place:
        folder = os.path.join(os.path.realpath(place), "demo")
        text = stable(record(nightjar, folder), folder)
    screen = Screen()
    screen.feed(text)
    picture = draw(screen.lines, "A terminal: the demo of nightjar, six tasks "
                                 "with their verdicts")
    new = f"{target}.new"
    with open(new, "w", encoding="utf-8") as file:
        file.write(picture)
    os.replace(new, target)


if __name__ == "__main__":
    main()
