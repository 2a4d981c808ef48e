r"""Convert LaTeX to MathML, so that a page needs no MathJax.

It knows the commands that minigpt.formulas uses.

    to_mathml(r"\frac{a}{b}")  ->  <math><mfrac><mi>a</mi><mi>b</mi></mfrac></math>

Source: MathML Core (W3C). Every formula of minigpt.formulas converts. A command that is not in the
tables raises ValueError. Left out: matrices, alignment, and whatever no formula here uses.
"""

import re
from html import escape

GREEK = {
    **{
        "alpha": "α",
        "beta": "β",
        "gamma": "γ",
        "epsilon": "ϵ",
        "theta": "θ",
        "eta": "η",
        "lambda": "λ",
        "mu": "μ",
        "pi": "π",
    },
    **{
        "sigma": "σ",
        "tau": "τ",
        "phi": "ϕ",
        "varphi": "φ",
        "ell": "ℓ",
        "Phi": "Φ",
        "infty": "∞",
        "top": "⊤",
        "partial": "∂",
    },
    **{"ldots": "…"},
}
OPERATORS = {
    **{
        "odot": "⊙",
        "cdot": "⋅",
        "times": "×",
        "le": "≤",
        "ge": "≥",
        "ne": "≠",
        "iff": "⟺",
        "propto": "∝",
        "sim": "∼",
    },
    **{
        "to": "→",
        "leftarrow": "←",
        "Rightarrow": "⇒",
        "approx": "≈",
        "in": "∈",
        "mid": "∣",
        "lVert": "‖",
        "rVert": "‖",
    },
    **{"{": "{", "}": "}"},
}
NAMES = ("log", "ln", "exp", "sin", "cos", "tanh", "arg")  # functions, upright
# their scripts are set below and above
LIMITS = {"sum": "<mo>∑</mo>", "max": "<mi>max</mi>", "min": "<mi>min</mi>"}
ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~"}
SPACES = {"quad": "1em", ",": "0.17em", ";": "0.28em", " ": "0.28em"}
SIZES = {"big": "1.2em", "Big": "1.8em"}
TOKEN = re.compile(r"\\(?:[a-zA-Z]+|.)|[0-9]+(?:\.[0-9]+)?|\S")


def to_mathml(latex: str, alttext: str = "") -> str:
    """Return a formula as a <math> element.

    alttext: the same in ASCII. Raises ValueError if a command or brace is unknown.
    """
    parser = _Parser(latex)
    row = parser.row()
    if parser.here:
        raise ValueError(f"LaTeX {latex!r}: there is a {parser.here!r} too many")
    return f'<math display="block" alttext="{escape(alttext)}"><mrow>{row}</mrow></math>'


class _Parser:
    """Reads a formula from left to right; every method returns MathML."""

    def __init__(self, latex: str):
        self.latex, self.at = latex, 0

    @property
    def here(self) -> str:
        """Return the next token, or "" at the end; spaces are skipped."""
        match = TOKEN.search(self.latex, self.at)
        return match.group() if match else ""

    def take(self) -> str:
        match = TOKEN.search(self.latex, self.at)
        if not match:
            raise ValueError(f"LaTeX {self.latex!r}: it ends where something must follow")
        self.at = match.end()
        return match.group()

    def row(self) -> str:
        """Return everything up to a closing brace or the end."""
        items = []
        while self.here not in ("", "}"):
            items.append(self.scripted())
        return "".join(items)

    def scripted(self) -> str:
        """Return one item with its scripts: x_i^2, x'."""
        limits = self.here[1:] in LIMITS and self.here[0] == "\\"
        base, sub, sup = self.atom(), "", ""
        while self.here in ("_", "^", "'"):
            mark = self.take()
            if mark == "'":
                sup += "<mo>′</mo>"
            elif mark == "^":
                sup += self.argument()
            else:
                sub += self.argument()
        return _scripts(base, sub, sup, limits)

    def argument(self) -> str:
        r"""Return the argument of a command: a group, or a single item.

        Of a number it is one digit, as in \tfrac12.
        """
        if self.here == "{":
            self.take()
            row = self.row()
            if self.take() != "}":
                raise ValueError(f"LaTeX {self.latex!r}: a brace is not closed")
            return f"<mrow>{row}</mrow>"
        if self.here[:1].isdigit():
            self.at = self.latex.index(self.here, self.at) + 1
            return f"<mn>{self.latex[self.at - 1]}</mn>"
        return self.atom()

    def atom(self) -> str:
        if self.here == "{":
            return self.argument()
        token = self.take()
        if token[0] == "\\":
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        return _operator("−" if token == "-" else token)

    def command(self, name: str) -> str:
        if name in ("frac", "tfrac"):
            fraction = f"<mfrac>{self.argument()}{self.argument()}</mfrac>"
            return (
                fraction if name == "frac" else f'<mstyle displaystyle="false">{fraction}</mstyle>'
            )
        if name == "sqrt":
            return f"<msqrt>{self.argument()}</msqrt>"
        if name == "overline":
            # a border of page.css: few fonts have a line that stretches
            return f'<mrow class="over">{self.argument()}</mrow>'
        if name in ACCENTS:
            return f'<mover accent="true">{self.argument()}<mo>{ACCENTS[name]}</mo></mover>'
        if name in ("mathrm", "text", "texttt"):
            return self.words(name)
        if name in SIZES:
            size, fence = SIZES[name], self.take()
            return f'<mo stretchy="true" minsize="{size}" maxsize="{size}">{escape(fence)}</mo>'
        return self.symbol(name)

    def words(self, name: str) -> str:
        """Return the raw text in braces."""
        match = re.compile(r"\s*\{([^{}\\]*)\}").match(self.latex, self.at)
        if not match:
            raise ValueError(f"LaTeX {self.latex!r}: \\{name} takes plain text in braces")
        self.at = match.end()
        text = escape(match.group(1))
        if name == "mathrm":
            return f'<mi mathvariant="normal">{text}</mi>'
        kind = ' class="code"' if name == "texttt" else ""
        return f"<mtext{kind}>{text.replace(' ', chr(160))}</mtext>"

    def symbol(self, name: str) -> str:
        if name in LIMITS:
            return LIMITS[name]
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}"/>'
        if name in OPERATORS:
            return _operator(OPERATORS[name])
        if name in GREEK:
            return (
                f'<mi mathvariant="normal">{GREEK[name]}</mi>'
                if name[0].isupper()
                else f"<mi>{GREEK[name]}</mi>"
            )
        if name in NAMES:
            return (
                f'<mi>{name}</mi><mspace width="0.17em"/>'
                if self.here not in ("(", "_", "^")
                else f"<mi>{name}</mi>"
            )
        raise ValueError(
            f"LaTeX {self.latex!r}: \\{name} is not among the commands that page/mathml.py knows"
        )


def _operator(sign: str) -> str:
    stretchy = ' stretchy="false"' if sign in "()[]{}|‖∣" else ""
    return f"<mo{stretchy}>{escape(sign)}</mo>"


def _scripts(base: str, sub: str, sup: str, limits: bool) -> str:
    if not sub and not sup:
        return base
    kind = ("under" if limits else "sub") * bool(sub) + ("over" if limits else "sup") * bool(sup)
    items = "".join(f"<mrow>{item}</mrow>" for item in (base, sub, sup) if item)
    return f"<m{kind}>{items}</m{kind}>"
