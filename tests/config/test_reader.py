"""YAML files: plain values as people mean them, and errors with their line."""

from pathlib import Path

import pytest

from asyncload.config.load import load_config
from asyncload.config.reader import parse_yaml, read_yaml
from asyncload.errors import ConfigError

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("1", 1), ("-7", -7), ("+7", 7), ("0", 0), ("007", "007"), ("1_000", "1_000"),
        ("0x1F", "0x1F"), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0),
        ("1.5e-3", 0.0015), ("1E5", 100000.0), (".inf", float("inf")), ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"), ("=", "="), ("1e", "1e"), ("9" * 200, "9" * 200),
        ("'5'", "5"), ('"no"', "no"), ("{a: 1}", {"a": 1}), ("[1, x]", [1, "x"]),
    ],
)  # fmt: skip
def test_plain_values_are_what_people_mean(text, value):
    found = parse_yaml(text)
    assert found == value
    assert type(found) is type(value)


def test_merge_keys_and_anchors_work():
    text = "base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\n"
    assert parse_yaml(text)["other"] == {"a": 1, "b": 3}


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text("name: x", encoding="utf-8-sig")
    assert read_yaml(path) == {"name": "x"}


WRONG = {
    "a: 1\nb: 2\na: 3\n": ", line 3, column 1: the key 'a' is given twice; remove one of them",
    "x: {a: 1, a: 2}": ", line 1, column 11: the key 'a' is given twice; remove one of them",
    "x:\n  1: a\n": ", line 2, column 3: the key 1 is not a text; put it in quotes",
    "a: b: c": ", line 1, column 5: mapping values are not allowed here; mend the YAML there",
    "a:\n\tb: 1\n": ", line 2, column 1: found character '\\t' that cannot start any token "
                    "(while scanning for the next token that begins in line 1); "
                    "indent with spaces, not with tabs",
    "a: @b": ", line 1, column 4: found character '@' that cannot start any token; "
             "put the text in quotes",
    "a: {b: ${C}}": ", line 1, column 9: expected ',' or '}', but got '{'; "
                    "inside { } and [ ] put ${…} in quotes",
    "a: {path: /slow?d=5}": ", line 1, column 16: expected ',' or '}', but got '?'; "
                            "inside { } and [ ] put texts with ?, :, #, brackets or commas in quotes",
    "a: [b}": ", line 1, column 6: expected ',' or ']', but got '}'; mend the YAML there",
    "a: [1,\n2\n": ", line 3, column 1: expected ',' or ']', but got '<stream end>' "
                   "(while parsing a flow sequence that begins in line 1); mend the YAML there",
    "a: 'b\n\n\n": ", line 4, column 1: found unexpected end of stream "
                   "(while scanning a quoted scalar that begins in line 1); mend the YAML there",
    "a: *b": ", line 1, column 4: found undefined alias 'b'; mend the YAML there",
    "a: 1\nb: \x07": ", line 2: the character '\\x07' may not stand here; remove it",
    "a: !!int x": ": a value does not fit the !!tag before it; mend the YAML",
    "": ": is empty; a config is keys and values, such as 'scenarios:'",
    "# only a comment": ": is empty; a config is keys and values, such as 'scenarios:'",
    "- a": ": holds a list; a config is keys and values, such as 'scenarios:'",
    "just text": ": holds a text; a config is keys and values, such as 'scenarios:'",
    "5": ": holds a number; a config is keys and values, such as 'scenarios:'",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_a_file_is_told_with_its_line(tmp_path, text):
    path = tmp_path / "test.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    found, expected = sentence.removeprefix(str(path)), WRONG[text]
    if "'\\t'" in expected:  # PyYAML words this one differently from version to version
        assert found.startswith(", line 2, column 1: ")
        assert found.endswith("; indent with spaces, not with tabs")
    else:
        assert found == expected


def test_yaml_that_is_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text("a: " + "[" * 5000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_config(path)


def test_no_object_is_made_of_a_tag(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text("a: !!python/object/apply:os.system [exit]")
    with pytest.raises(ConfigError, match="could not determine a constructor"):
        load_config(path)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (Path("nowhere/test.yaml"), "nowhere/test.yaml: there is no such file; check the path"),
        (Path("/"), "/: is a folder; name one config file in it"),
        (Path("/dev/null/x"), "/dev/null/x: cannot be read: Not a directory; check the path"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(path, sentence):
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == sentence


def test_a_path_that_no_file_can_have_is_named():
    with pytest.raises(ConfigError, match=r"^a\x00b: cannot be read: .+; check the path$"):
        load_config(Path("a\0b"))


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_bytes("name: größe".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        load_config(path)
