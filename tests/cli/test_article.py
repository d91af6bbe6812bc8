from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from cli.article import Article, ArticleError, Picture, named

ARTICLE = """---
title: "A coast"   # kept
darkroom:
  quality: draft
  images:
    - prompt: A harbour at dawn
    - {prompt: "Boats, seen from above", path: pictures/boats}
---

# The coast ![prompt: a lighthouse](images/hero) #

Text ![prompt: a *wide* beach](<> "A beach") and `![prompt: code](x)`.\r
> ![prompt: two
> lines](images/two.png)

```
![prompt: in a fence](x)
```

| | |
|-|-|
| ![prompt: in a cell](images/cell) | ![not asked for](images/old.jpg "Old") |

- [![prompt: a link](images/link)](https://example.com)
"""


def pictures(article: Article, extension: str = ".jpg", alt: str = "Alt") -> dict[str, Picture]:
    return {
        wish.picture: Picture(f"{wish.picture}{extension}", f"{alt} of {wish.picture}")
        for wish in article.wishes
    }


class TestReading:
    def test_marks_and_front_matter_are_found_where_they_stand(self) -> None:
        found = [
            (wish.line, wish.picture, wish.fields["prompt"]) for wish in Article(ARTICLE).wishes
        ]
        assert found == [
            (6, named("A harbour at dawn"), "A harbour at dawn"),
            (7, "pictures/boats", "Boats, seen from above"),
            (10, "images/hero", "a lighthouse"),
            (12, named("a wide beach"), "a wide beach"),
            (13, "images/two", "two lines"),
            (22, "images/cell", "in a cell"),
            (24, "images/link", "a link"),
        ]

    def test_what_holds_for_all_and_a_title_are_told(self) -> None:
        wishes = Article(ARTICLE).wishes
        assert {wish.fields["quality"] for wish in wishes} == {"draft"}
        assert wishes[3].fields["alt_text"] == "A beach"
        assert "path" not in wishes[1].fields

    def test_the_same_prompt_twice_is_one_picture(self) -> None:
        article = Article("![prompt: sea]()\n\n![prompt: sea]()\n")
        assert len(article.wishes) == 1
        written = article.with_pictures(pictures(article))
        assert written.count(f"{named('sea')}.jpg") == 2

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("a\n\n![prompt: sea](../up)\n", 3),
            ("![prompt: sea](/etc/passwd)\n", 1),
            ("![prompt: sea](https://example.com/x)\n", 1),
            ("![prompt: sea](a/.hidden)\n", 1),
            ('![prompt: sea]("Sea")\n', 1),
            ("![prompt: ](a)\n", 1),
            ("![prompt: sea](a)\n\n![prompt: land](a)\n", 3),
            ("---\ntitle: x\ndarkroom:\n  images: sea\n---\n", 4),
            ("---\ndarkroom:\n  images:\n    - prompt: 3\n---\n", 4),
            ("---\ndarkroom:\n  images: [\n---\n", 4),
            ("---\nx: &a 1\ndarkroom: {images: [{prompt: *a}]}\n---\n", 2),
        ],
    )
    def test_what_cannot_be_is_told_by_its_line(self, text: str, line: int) -> None:
        with pytest.raises(ArticleError) as raised:
            Article(text).wishes  # noqa: B018
        assert raised.value.line == line


class TestWriting:
    def test_only_the_places_change(self) -> None:
        article = Article(ARTICLE)
        written = article.with_pictures(pictures(article))
        without = re.sub(r"!\[Alt of [^]]*\]\([^)]*\)", "!", written)
        without = re.sub(
            r"( *(src|alt_text): .*\n)|(, src: \"[^\"]*\", alt_text: \"[^\"]*\")", "", without
        )
        marks = r"!\[prompt: (?!code|in a fence)[^]]*\]\([^)]*\)"
        assert without == re.sub(marks, "!", ARTICLE)
        front = yaml.safe_load(written.split("---")[1])
        assert [each["src"] for each in front["darkroom"]["images"]] == [
            f"{named('A harbour at dawn')}.jpg",
            "pictures/boats.jpg",
        ]

    def test_a_second_time_changes_nothing_and_asks_for_nothing(self) -> None:
        article = Article(ARTICLE)
        found = pictures(article)
        written = Article(article.with_pictures(found))
        assert written.wishes == []
        assert written.with_pictures(found) == article.with_pictures(found)

    def test_a_final_takes_the_place_of_its_draft_and_the_label_stays(self) -> None:
        article = Article("![prompt: sea](images/sea)\n")
        draft = {"images/sea": Picture("images/sea.jpg", "Sea")}
        final = {"images/sea": Picture("images/sea.png", "Sea")}
        written = article.with_pictures(draft).replace("![Sea]", "![The *sea*]")
        assert Article(written).with_pictures(final) == "![The *sea*](images/sea.png)\n"

    def test_a_picture_with_a_name_of_its_own_is_known_in_any_folder(self) -> None:
        article = Article("![prompt: sea]()\n")
        [name] = [wish.picture for wish in article.wishes]
        written = article.with_pictures({name: Picture(f"static/{name}.jpg", "Sea")})
        again = Article(written).with_pictures({name: Picture(f"static/{name}.webp", "Sea")})
        assert again == f"![Sea](static/{name}.webp)\n"

    def test_an_alt_text_asks_for_nothing_and_ends_nothing(self) -> None:
        text = "| a |\n|---|\n| ![prompt: sea](x) |\n"
        alt = "prompt: a ] | ![prompt: b](c) <!-- &amp; `"
        written = Article(text).with_pictures({"x": Picture("x.jpg", alt)})
        assert Article(written).wishes == []

    def test_a_mark_that_markdown_does_not_read_is_said(self) -> None:
        article = Article("a\n\n![prompt: sea](a b)\n\n`![prompt: code](x`\n")
        assert (article.wishes, article.misread) == ([], [3])

    def test_a_picture_outside_of_the_articles_folder_is_nobodys(self) -> None:
        article = Article("![Old](../up/old.jpg) ![Older](/srv/older.png)\n")
        assert article.names == frozenset()

    def test_what_has_no_picture_yet_stays_a_mark(self) -> None:
        article = Article("![prompt: sea](a)\n![prompt: land](b)\n")
        written = article.with_pictures({"b": Picture("b.jpg", "Land")})
        assert written == "![prompt: sea](a)\n![Land](b.jpg)\n"


PIECES = st.one_of(
    st.sampled_from(
        [
            *(
                "\n",
                "\n\n",
                "\r\n",
                "\r",
                "> ",
                "- ",
                "1. ",
                "    ",
                "\t",
                "```\n",
                "`",
                "# ",
                " #",
            ),
            *(
                "| ",
                " |\n|-|-|\n",
                "[",
                "](",
                ")",
                "\\",
                "<b>",
                "<!--",
                "-->",
                "&amp;",
                "***",
                "\0",
            ),
            *(
                "![",
                "prompt: ",
                "![prompt: ",
                "![x](y.jpg)",
                "[r]: z\n",
                "![prompt: q][r]",
                "---\n",
            ),
            *(
                "![prompt: a sea](images/a)",
                "![prompt: *b*]()",
                '![prompt: c](c "T")',
                "\ufeff",
                "\u2028",
            ),
        ]
    ),
    st.text(max_size=6),
)
TEXTS = st.lists(PIECES, max_size=24).map("".join)
FRONTS = st.sampled_from(
    [
        "",
        "---\ntitle: x\n---\n",
        "---\r\ndarkroom:\r\n  images:\r\n  - prompt: hero\r\n    tags: [a]\r\n---\r\n",
        "---\ndarkroom: {quality: high, images: [{prompt: hero}]}\n---\n",
        "---\ndarkroom:\n  images:\n    - seed: 1\n      prompt: >-\n        a\n\n        b\n---\n",
        "---\ndarkroom:\n  images:\n    - prompt: 'last' # said\n...\n",
    ]
)


def read(text: str) -> Article:
    """An article that can be taken; others are refused before anything happens."""
    try:
        article = Article(text)
        article.wishes  # noqa: B018
    except ArticleError:
        assume(False)
    return article


@given(FRONTS, TEXTS)
def test_without_pictures_no_text_changes(front: str, body: str) -> None:
    assert read(front + body).with_pictures({}) == front + body


@given(FRONTS, TEXTS, st.text(max_size=12), st.sampled_from(["images/", "ä b(/", ""]))
def test_no_text_is_damaged_and_all_of_it_is_written_once(
    front: str, body: str, alt: str, folder: str
) -> None:
    article = read(front + body)
    found = {
        wish.picture: Picture(f"{folder}{named(wish.picture)}.jpg", alt) for wish in article.wishes
    }
    try:
        written = article.with_pictures(found)
    except ArticleError:  # refused, and so not written
        return
    assert rest(written) == rest(front + body)
    assert Article(written).wishes == []


def rest(text: str) -> str:
    """What of a text is neither a picture nor a line that was put in."""
    bare = re.sub(r"!\[[^]]*?\]\[r\]|!\[(?:\\.|[^]\\])*\]\([^)]*\)", "", text)
    return re.sub(r",? *(?:src|alt_text): \"(?:\\.|[^\"\\])*\"\n?", "", bare)
