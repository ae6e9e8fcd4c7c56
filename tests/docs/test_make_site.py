#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/make_site turns links into the site's, and finds broken
ones. Doxygen is not needed."""

import pathlib
import tempfile
import unittest

import tool

PAGES = {
    "docs/README.md": "# Main\n\n[Guide](guide/README.md), "
                      "[first](guide/first.md), [Bench](../bench/README.md)\n",
    "docs/guide/README.md": "# Guide\n\n## A part\n\n[`First`](first.md)\n",
    "docs/guide/first.md": "# First\n\n## It's here, `x`\n\ntext\n\n## Twice\n\n"
                           "## Twice\n",
    "bench/README.md": "# Bench\n",
}


class Site(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        self.root = pathlib.Path(room.name).resolve()
        self.tool = tool.load("make_site")
        self.tool.ROOT = self.root
        for name, text in PAGES.items():
            self.write(name, text)

    def write(self, name, text=""):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def made(self, name, text=None):
        """What Doxygen is given for a page."""
        if text is not None:
            self.write(name, text)
        pages = self.tool.find_pages()
        parents = self.tool.find_parents(pages)
        return self.tool.for_doxygen(pages, parents, pages[name])

    def line(self, text):
        """The same of a line in a page."""
        return self.made("docs/guide/first.md", f"# First\n\n{text}\n").split("\n")[2]

    def refuses(self, name, text, told):
        with self.assertRaisesRegex(self.tool.Wrong, told):
            self.made(name, text)

    def test_pages_and_their_headings_have_names(self):
        made = self.made("docs/guide/first.md")
        self.assertIn("# First {#guide-first}\n", made)
        self.assertIn("## It's here, ``x`` {#guide-first--its-here-x}\n", made)
        self.assertIn("## Twice {#guide-first--twice}\n", made)
        self.assertIn("## Twice {#guide-first--twice-1}\n", made)

    def test_links_between_pages(self):
        self.assertEqual(self.line("[m](../README.md)"), "[m](index.html)")
        self.assertEqual(self.line("[g](README.md#a-part)"),
                         "[g](guide.html#guide--a-part)")
        self.assertEqual(self.line("[b](../../bench)"), "[b](bench.html)")
        self.assertEqual(self.line("[w](https://luau.org)"), "[w](https://luau.org)")

    def test_links_to_other_files(self):
        self.write("include/kahu/uv.h")
        self.write("docs/recordings/run.sh")
        self.write("docs/recordings/run.txt")
        self.assertEqual(self.line("[h](../../include/kahu/uv.h)"), "[h](uv_8h.html)")
        self.assertEqual(self.line("[s](../recordings/run.sh)"),
                         "[s](files/docs/recordings/run.sh.txt)")
        self.assertEqual(self.line("[t](../recordings/run.txt)"),
                         "[t](files/docs/recordings/run.txt)")
        self.assertEqual(self.line("![p](../recordings/run.txt)"), "![p](run.txt)")

    def test_what_is_below_which_page(self):
        self.assertIn('@subpage guide-first "First"', self.made("docs/guide/README.md"))
        main = self.made("docs/README.md")
        self.assertIn('@subpage guide "Guide"', main)
        self.assertIn("[first](guide-first.html)", main)
        self.assertIn('@subpage bench "Bench"', main)

    def test_a_page_that_nobody_names(self):
        self.refuses("docs/guide/second.md", "# Second\n",
                     r"^docs/guide/second.md: docs/guide/README.md does not link to it")

    def test_broken_links(self):
        for link, told in (
            ("nothing.md", "first.md:3: a link to nothing.md, which is not there"),
            ("README.md#no-part", "first.md:3: docs/guide/README.md has no heading"),
            ("../../bench/x.c", "which is not there"),
        ):
            self.refuses("docs/guide/first.md", f"# First\n\n[x]({link})\n", told)

    def test_code_is_left_as_it_is(self):
        self.assertEqual(self.line("`[x](nothing.md)` `it's`"),
                         "``[x](nothing.md)`` ``it's``")
        page = "# First\n\n```c\n# [x](nothing.md)\n```\n"
        self.assertIn("# [x](nothing.md)\n", self.made("docs/guide/first.md", page))

    def test_luau_is_coloured(self):
        page = '# First\n\n```luau x.luau\nlocal s = "a<b" -- end\n```\n'
        self.assertIn('<span class="keyword">local</span> s = '
                      '<span class="stringliteral">"a&lt;b"</span> '
                      '<span class="comment">-- end</span>',
                      self.made("docs/guide/first.md", page))

    def test_a_comment_of_two_lines_is_coloured_in_both(self):
        page = "# First\n\n```luau\n--[[ one\ntwo ]]\n```\n"
        made = self.made("docs/guide/first.md", page)
        for line in ("--[[ one", "two ]]"):
            self.assertIn(f'<div class="line"><span class="comment">{line}</span></div>',
                          made)

    def test_lines_stay_in_their_places(self):
        page = "# First\n\n![two\nlines](../../bench/README.md)\n\n[x](README.md)\n"
        made = self.made("docs/guide/first.md", page).split("\n")
        self.assertEqual(made[5], "[x](guide.html)")

    def test_headers(self):
        made = self.tool.header_for_doxygen(
            "/* SPDX */\n/*\n * kahu/x.h - what it is.\n *\n * Time. In ns.\n */\n"
            "#ifndef KAHU_X_H\n\n/* ==== */\n/* 1. First   */\n/* ==== */\n\n"
            "/*\n * About it.\n */\n\n/**\n * @return KAHU_OK, or\n"
            " *         KAHU_EINVAL  an argument\n *         KAHU_ENOMEM\n */\n"
            "int x(void);\n\n#ifdef __cplusplus\n}\n#endif\n")
        self.assertIn("/** @file\n * What it is.\n *\n * - **Time.** In ns.\n", made)
        self.assertIn("/** @name 1. First\n *\n * About it.\n */\n/** @{ */\n", made)
        self.assertIn(" * - KAHU_EINVAL: an argument\n * - KAHU_ENOMEM\n", made)
        self.assertEqual(made.count("@{"), made.count("@}"))

    def test_the_result_is_looked_at(self):
        site = self.root / "html"
        self.write("html/a.html", '<a id="x"><a href="a.html#x">')
        for text, told in (
            ('<a href="b.html">', "a link to b.html, which is not there"),
            ('<a href="a.html#y">', "a link to a.html#y: no such place"),
            ('<a href="file:line:">', "a link to file:line:"),
            ("&lt;td class", "&lt;td is left over"),
            ("@subpage x", "@subpage is left over"),
        ):
            page = self.tool.Anchors(text)
            with self.assertRaisesRegex(self.tool.Wrong, told):
                self.tool.check_site(site, {"a.html": page})
        good = self.tool.Anchors('<a id="x"><a href="a.html#x">')
        self.assertEqual(self.tool.check_site(site, {"a.html": good}), 1)


if __name__ == "__main__":
    unittest.main()
