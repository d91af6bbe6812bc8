from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.article import named
from cli.batch_file import read_batch
from cli.errors import CommandError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("b.json", '[\n\t{"prompt": "sea", "seed": 7},\n\t"land"\n]', [2, 3]),
        ("b.json", '{"images": [{"prompt": "sea", "seed": 7},\n"land"]}', [1, 2]),
        ("b.yaml", "images:\n- prompt: sea\n  seed: 7\n- land\n", [2, 4]),
        ("b.csv", '\ufeffprompt,seed\r\n"sea",7\r\n\r\n"land",\r\n', [2, 4]),
    ],
)
def test_every_format_says_the_same_and_where(
    tmp_path: Path, name: str, text: str, lines: list[int]
) -> None:
    batch = read_batch(write(tmp_path, name, text))
    assert batch.images == [{"prompt": "sea", "seed": 7}, {"prompt": "land"}]
    assert batch.lines == lines
    assert batch.line_of("images.1.prompt") == lines[1]
    assert batch.line_of("blog_id") is None


def test_cells_become_what_the_fields_take(tmp_path: Path) -> None:
    head = "prompt,num_images,tags,metadata.section,style"
    row = '"a, b\nc",2,x; y,travel,'
    batch = read_batch(write(tmp_path, "b.csv", f"{head}\n{row}\nland,,,,\n"))
    first = {"prompt": "a, b\nc", "num_images": 2, "tags": ["x", "y"]}
    assert batch.images[0] == {**first, "metadata": {"section": "travel"}}
    assert batch.lines == [2, 4]


def test_what_a_file_says_of_the_whole_batch_is_kept(tmp_path: Path) -> None:
    text = "blog_id: post-1\nworkflow: final_only\nimages: [sea]\n"
    assert read_batch(write(tmp_path, "b.yml", text)).fields == {
        "blog_id": "post-1",
        "workflow": "final_only",
    }


def test_an_articles_pictures_are_known_by_their_jobs(tmp_path: Path) -> None:
    text = "---\ndarkroom: {quality: high}\n---\n![prompt: sea](a/b)\n\n![prompt: land]()\n"
    batch = read_batch(write(tmp_path, "post.md", text))
    assert [image["metadata"]["picture"] for image in batch.images] == ["a/b", named("land")]
    assert {image["quality"] for image in batch.images} == {"high"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.json", '[\n{"prompt": "a",}]', "b.json:2: not valid JSON"),
        ("b.json", '[{"prompt": "a"},\n\n{"promt": "b"}]', "b.json:3: there is no field `promt`"),
        ("b.json", "{}", "b.json:1: a batch is a list"),
        ("b.json", "[]", "no image in it"),
        ("b.json", "[" * 100_000, "b.json:1: not valid JSON"),
        ("b.yaml", "images:\n  - prompt: [", "b.yaml:2: not valid YAML"),
        ("b.yaml", "blog: x\nimages: [sea]", "b.yaml:1: there is no field `blog`"),
        ("b.yaml", "- sea\n- prompt: {a: 1}\n", "b.yaml:2: there is no `prompt`"),
        ("b.yaml", "- sea\n- 3\n", "b.yaml:2: an image is a prompt"),
        ("b.yaml", "- prompt: a\n  tags: [[1]]\n", "b.yaml:1: `tags`"),
        ("b.yaml", "- !!python/object/apply:os.system [id]\n", "b.yaml:1: not valid YAML"),
        ("b.csv", "promt\na\n", "b.csv:1: there is no field `promt`; did you mean `prompt`?"),
        ("b.csv", "seed\n1\n", "b.csv:1: there is no column `prompt`"),
        ("b.csv", "prompt,seed\na,1\nb,x\n", "b.csv:3: `seed` is a whole number"),
        ("b.csv", "prompt,seed\na\n", "b.csv:2: 1 cells where the head has 2"),
        ("b.csv", 'prompt\n"a" b\n', "b.csv:2: not valid CSV"),
        ("post.md", "a\n![prompt: sea](../x)\n", "post.md:2: '../x'"),
        ("b.txt", "sea", "ends in .json, .yaml"),
        ("b.yaml", "- x\n" * 1001, "1000 images"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(CommandError) as raised:
        read_batch(write(tmp_path, name, text))
    assert said in str(raised.value)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot read"):
        read_batch(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff")
    with pytest.raises(CommandError, match="UTF-8"):
        read_batch(tmp_path / "b.json")


PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", ":", ",", '"', "'", "\n", "\r\n", "\t", " ", "`", "\x00", "\\u"),
        *("- ", "---\n", "&a ", "*a", "!!python/object:os.x ", "<<: ", "? ", "| ", ".nan", "null"),
        *("images", "prompt", "seed", "metadata.", "darkroom:\n", "![prompt: ", "](", ")", "1e999"),
    ]
)


@given(
    st.sampled_from(["b.json", "b.yaml", "b.csv", "post.md"]),
    st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join),
)
@example("b.json", "[" * 100_000)
@example("b.json", "[" * 900 + "]" * 900)
@example("b.json", '["\ufffe"]')
@example("b.yaml", "[" * 3_000)
@example("b.json", '[{"prompt": "a", "seed": 1e999}]')
@example("b.json", '[{"prompt": "a", "seed": ' + "9" * 5_000 + "}]")
@example("b.yaml", "a: &a [x]\nb: [*a, *a]\nimages: [*a]")
def test_whatever_is_in_a_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str
) -> None:
    with suppress(CommandError):
        read_batch(write(tmp_path_factory.getbasetemp(), name, text))
