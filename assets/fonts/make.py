#!/usr/bin/env python3
"""Makes the fonts beside this file from Debian's fonts-inter, fonts-jetbrains-mono, fonts-dejavu-core, fonts-droid-fallback and fonts-unifont.

Needs `pip install fonttools`. Latin, Greek, Cyrillic and punctuation are kept. Inter's digits become its tabular ones
(egui has no font features), so that figures stand under one another. `Symbols.ttf` is the few signs of DejaVu Sans
that Inter lacks; by DejaVu's licence a changed font carries another name. Names may be in any script: `Han.ttf` (Droid Sans
Fallback) has Han and kana, `Scripts.otf` and `ScriptsUpper.otf` (Unifont) all other scripts. They are read when needed.
"""
from fontTools import subset
from fontTools.ttLib import TTFont

TEXT = [*range(0x20, 0x7F), *range(0xA0, 0x250), *range(0x370, 0x400), *range(0x400, 0x460), *range(0x1E00, 0x1F00),
        *range(0x2010, 0x2028), *range(0x2030, 0x203B), 0x20AC, 0x2116, 0x2122, 0x2212, 0x2248, 0x2260, 0x2264, 0x2265,
        0x2190, 0x2191, 0x2192, 0x2193, 0x25CF, 0x25CB, 0x25B2, 0x25B6, 0x25A0, 0x2713, 0x221E, 0xFFFD, 0x25FB]
MONO = TEXT + [*range(0x2500, 0x25A0), 0x25BE, 0x25B8]
SIGNS = [ord(c) for c in "✓●▲✖▾▸→←━▶⇄▁▂▃▄▅▆▇█☐☑◉○◯■□✕↓↑⏎⌕◼◻\ufffd"]


def cut(source, target, points, name=None, tabular=False):
    options = subset.Options(layout_features=["kern", "tnum", "mark", "ccmp"], notdef_outline=True, hinting=False, name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14])
    font = subset.load_font(source, options)
    if tabular:
        digits = {font.getBestCmap()[ord(d)]: d for d in "0123456789"}
        swap = {}
        for record in font["GSUB"].table.FeatureList.FeatureRecord:
            if record.FeatureTag == "tnum":
                for index in record.Feature.LookupListIndex:
                    for table in font["GSUB"].table.LookupList.Lookup[index].SubTable:
                        table = getattr(table, "ExtSubTable", table)
                        swap.update({digits[a]: b for a, b in getattr(table, "mapping", {}).items() if a in digits})
        for table in font["cmap"].tables:
            for digit, glyph in swap.items():
                if ord(digit) in table.cmap:
                    table.cmap[ord(digit)] = glyph
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=points)
    cutter.subset(font)
    if name:
        for record in font["name"].names:
            if record.nameID in (1, 3, 4, 6):
                record.string = name
    font.save(target)
    assert TTFont(target).getBestCmap(), target


INTER = "/usr/share/fonts/opentype/inter/Inter-%s.otf"
for weight in ("Regular", "Medium", "SemiBold", "Bold"):
    cut(INTER % weight, f"Inter-{weight}.otf", TEXT, tabular=True)
cut("/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf", "JetBrainsMono-Regular.ttf", MONO)
cut("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "Symbols.ttf", SIGNS, name="UnderstudySymbols")
WIDE = lambda c: c >= 0x2E80
OTHER = lambda c: c >= 0x250 and not any(low <= c <= high for low, high in [(0x2500, 0x257F), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xE000, 0xF8FF)])
UPPER = lambda c: 0x10000 <= c < 0x20000
for source, target, keep in [
    ("truetype/droid/DroidSansFallbackFull.ttf", "Han.ttf", WIDE),
    ("opentype/unifont/unifont.otf", "Scripts.otf", OTHER),
    ("opentype/unifont/unifont_upper.otf", "ScriptsUpper.otf", UPPER),
]:
    path = "/usr/share/fonts/" + source
    cut(path, target, [c for c in TTFont(path).getBestCmap() if keep(c)], name="Understudy" + target.split(".")[0])
