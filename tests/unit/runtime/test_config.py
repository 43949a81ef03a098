"""Configuration: every layer, its precedence and its origin; what is refused; secrets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from stella.kernel.errors import StellaError
from stella.runtime import config
from stella.runtime.errors import (
    BadSetting,
    LiteralSecret,
    NotToml,
    SecretMissing,
    SecretUnreadable,
    TooLarge,
    UnknownSetting,
    Unreadable,
)
from stella.runtime.settings import Settings


class Machine(NamedTuple):
    """A machine with a file in each place."""

    root: Path
    env: dict[str, str]

    @property
    def work(self) -> Path:
        return self.root / "project/deep/er"

    @property
    def project(self) -> Path:
        return self.root / "project/stella.toml"

    @property
    def user(self) -> Path:
        return self.root / "xdg/stella/config.toml"

    @property
    def system(self) -> Path:
        return self.root / "etc/config.toml"

    def load(self) -> config.Loaded:
        return config.load(self.env, self.work, self.system)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "PATH": "/bin"})
    for folder in (made.work, made.user.parent, made.system.parent):
        folder.mkdir(parents=True)
    return made


def test_without_any_layer_every_value_is_its_default(machine: Machine) -> None:
    loaded = machine.load()
    assert loaded.settings == Settings()
    assert loaded.origins == {}


def test_each_layer_comes_before_the_one_below(machine: Machine) -> None:
    def seen() -> tuple[object, str]:
        loaded = machine.load()
        return loaded.settings.mirror.workers, loaded.origins["mirror.workers"]

    machine.system.write_text("[mirror]\nworkers = 1\n")
    assert seen() == (1, str(machine.system))
    machine.user.write_text("[mirror]\nworkers = 2\n")
    assert seen() == (2, str(machine.user))
    machine.project.write_text("[mirror]\nworkers = 3\n")
    assert seen() == (3, str(machine.project))
    machine.env["STELLA_MIRROR_WORKERS"] = "4"
    assert seen() == (4, "env STELLA_MIRROR_WORKERS")


def test_layers_mix_by_key(machine: Machine) -> None:
    machine.system.write_text('[mirror]\nworkers = 1\nvalid_for = "9d"\n[budget]\nwarn = "1d"\n')
    machine.project.write_text("[mirror]\nworkers = 3\n")
    loaded = machine.load()
    assert (loaded.settings.mirror.workers, loaded.settings.mirror.valid_for) == (3, "9d")
    assert loaded.settings.budget.warn == "1d"
    assert loaded.origins == {
        "mirror.workers": str(machine.project),
        "mirror.valid_for": str(machine.system),
        "budget.warn": str(machine.system),
    }


def test_a_file_that_cannot_be_followed_is_not_passed_over(machine: Machine) -> None:
    (machine.work / "stella.toml").symlink_to("stella.toml")
    with pytest.raises(Unreadable):
        machine.load()


def test_the_nearest_project_file_is_the_only_one(machine: Machine) -> None:
    machine.project.write_text('[mirror]\nworkers = 3\nvalid_for = "9d"\n')
    (machine.work / "stella.toml").write_text("[mirror]\nworkers = 5\n")
    settings = machine.load().settings
    assert (settings.mirror.workers, settings.mirror.valid_for) == (5, "14d")


def test_the_user_file_without_xdg_is_under_home(machine: Machine) -> None:
    home = machine.root / "home"
    (home / ".config/stella").mkdir(parents=True)
    (home / ".config/stella/config.toml").write_text("[mirror]\nworkers = 7\n")
    for xdg in ({}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "relative"}):
        assert config.load({"HOME": str(home), **xdg}, machine.work, machine.system).settings.mirror.workers == 7
    assert config.load({}, machine.work, machine.system).settings == Settings()


@pytest.mark.parametrize(("text", "value"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False)])
def test_switches_from_the_environment(machine: Machine, text: str, value: bool) -> None:
    machine.env["STELLA_SITE_REQUIRE_PRODUCTION"] = text
    assert machine.load().settings.site.require_production is value


@pytest.mark.parametrize(
    ("name", "key"), [("REQUIRE_PROD_SIGNING", "mirror.require_prod_signing"), ("STELLA_SEALED", "site.sealed")]
)
def test_second_names(machine: Machine, name: str, key: str) -> None:
    own = {row.name: row.variable for row in config.every_key()}[key]
    machine.env[name] = "1"
    assert machine.load().origins == {key: f"env {name}"}
    assert config.value_of(machine.load().settings, key) is True
    machine.env[own] = "0"
    assert config.value_of(machine.load().settings, key) is True, "either name can switch a restriction on"
    machine.env[name] = "0"
    machine.env[own] = "1"
    assert machine.load().origins == {key: f"env {own}"}
    assert config.value_of(machine.load().settings, key) is True
    machine.env[own] = "0"
    machine.project.write_text(f"[{key.partition('.')[0]}]\n{key.partition('.')[2]} = true\n")
    assert config.value_of(machine.load().settings, key) is False, "the environment comes before a file"


def test_empty_variables_count_as_absent(machine: Machine) -> None:
    machine.env.update(dict.fromkeys(["STELLA_MIRROR_WORKERS", "REQUIRE_PROD_SIGNING", "STELLA_SEALED"], ""))
    assert machine.load() == config.Loaded(Settings(), {})


def test_reserved_variables_are_not_settings(machine: Machine) -> None:
    machine.env.update(dict.fromkeys(config.RESERVED, "x"))
    assert machine.load() == config.Loaded(Settings(), {})


@pytest.mark.parametrize("place", ["system", "user", "project"])
@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[mirror]\nworker = 1\n", "mirror.worker", "did you mean `mirror.workers`?"),
        ("[miror]\nworkers = 1\n", "miror", "did you mean `mirror`?"),
        ("qqqq = 1\n", "qqqq", "remove it from "),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(
    machine: Machine, place: str, text: str, key: str, hint: str
) -> None:
    path: Path = getattr(machine, place)
    path.write_text(text)
    with pytest.raises(UnknownSetting) as caught:
        machine.load()
    assert caught.value.message == f"Unknown setting `{key}` in {path}"
    assert caught.value.advice.startswith(hint)


def test_an_unknown_variable_is_refused_with_the_nearest(machine: Machine) -> None:
    machine.env["STELLA_MIRROR_WORKER"] = "1"
    with pytest.raises(UnknownSetting) as caught:
        machine.load()
    assert caught.value.message == "Unknown setting `STELLA_MIRROR_WORKER` in the environment"
    assert caught.value.advice == "did you mean `STELLA_MIRROR_WORKERS`?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mirror = 1\n", "expected a table `[mirror]`"),
        ("[mirror]\nworkers = true\n", "has the value True, expected a whole number"),
        ('[mirror]\nworkers = "1"\n', "has the value '1', expected a whole number"),
        ("[mirror]\nworkers = -1\n", "has the value -1, expected at least 0"),
        ("[site]\nkeep_generations = 1\n", "has the value 1, expected at least 2"),
        ("[mirror]\nvalid_for = 14\n", "has the value 14, expected text in quotes"),
        ('[mirror]\nvalid_for = "14"\n', "has the value '14', expected a duration such as 90s, 15m, 24h or 14d"),
        ("[site]\nsealed = 1\n", "has the value 1, expected true or false"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(machine: Machine, text: str, expected: str) -> None:
    machine.project.write_text(text)
    with pytest.raises(BadSetting) as caught:
        machine.load()
    assert expected in caught.value.message
    assert str(machine.project) in caught.value.message


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("STELLA_SEALED", "maybe", "Setting `site.sealed` in env STELLA_SEALED has the value 'maybe', expected 1 or 0"),
        ("STELLA_MIRROR_WORKERS", "two", "expected a whole number"),
        ("STELLA_MIRROR_WORKERS", "-1", "expected at least 0"),
        ("STELLA_MIRROR_VALID_FOR", "2w", "expected a duration"),
    ],
)
def test_a_variable_of_the_wrong_form_is_refused(machine: Machine, name: str, text: str, expected: str) -> None:
    machine.env[name] = text
    with pytest.raises(BadSetting) as caught:
        machine.load()
    assert expected in caught.value.message


@pytest.mark.parametrize("literal", ["hunter2secret", "hunter2:secret", "env:", "file:", ""])
def test_a_literal_secret_is_refused_and_never_shown(machine: Machine, literal: str) -> None:
    machine.project.write_text(f'[keys]\npassphrase = "{literal}"\n')
    with pytest.raises(LiteralSecret) as caught:
        machine.load()
    assert "hunter2" not in str(caught.value) + repr(caught.value) + str(caught.value.problem())


def test_a_literal_secret_in_a_variable_or_of_another_type_is_refused(machine: Machine) -> None:
    machine.env["STELLA_KEYS_PASSPHRASE"] = "hunter2"
    with pytest.raises(LiteralSecret):
        machine.load()
    del machine.env["STELLA_KEYS_PASSPHRASE"]
    machine.project.write_text("[mirror]\nsign_key = 12345\n")
    with pytest.raises(LiteralSecret) as caught:
        machine.load()
    assert "12345" not in str(caught.value.problem())


@pytest.mark.parametrize("data", [b"[mirror", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_damaged_file_is_refused(machine: Machine, data: bytes) -> None:
    machine.user.write_bytes(data)
    with pytest.raises(NotToml, match=str(machine.user)):
        machine.load()


def test_a_huge_file_is_refused(machine: Machine) -> None:
    machine.user.write_bytes(b"#" * (config.MAX_CONFIG + 1))
    with pytest.raises(TooLarge):
        machine.load()


def test_a_secret_path_is_relative_to_the_file_that_names_it(machine: Machine) -> None:
    machine.project.write_text('[keys]\npassphrase = "file:secrets/pass"\n')
    reference = machine.load().settings.keys.passphrase
    assert reference == f"file:{machine.project.parent}/secrets/pass"
    machine.project.write_text('[keys]\npassphrase = "file:/absolute"\n')
    assert machine.load().settings.keys.passphrase == "file:/absolute"
    machine.project.write_text('[service]\ntoken = "file:<data>/mine"\n')
    assert machine.load().settings.service.token == "file:<data>/mine"
    machine.env["STELLA_KEYS_PASSPHRASE"] = "file:pass"
    assert machine.load().settings.keys.passphrase == f"file:{machine.work}/pass"


def test_the_address_of_a_database_in_a_file_is_anchored_too(machine: Machine) -> None:
    """A service stands in the folder of a tenant, who could lay a file of that name there."""
    machine.project.write_text('[database]\ndsn = "file:dsn"\n')
    machine.env["STELLA_DATABASE_OWNER_DSN"] = "file:owner-dsn"
    found = machine.load().settings.database
    assert found.dsn == f"file:{machine.project.parent}/dsn"
    assert found.owner_dsn == f"file:{machine.work}/owner-dsn"


def test_secrets_from_the_environment() -> None:
    assert config.read_secret("env:NAME", {"NAME": "pass word\n"}) == b"pass word\n"
    assert config.read_secret("env:NAME", {"NAME": "\udcff"}) == b"\xff"
    for env in ({}, {"NAME": ""}):
        with pytest.raises(SecretMissing) as caught:
            config.read_secret("env:NAME", env)
        assert "`env:NAME`" in caught.value.message
        assert "export NAME=" in caught.value.advice


@pytest.mark.parametrize(("data", "secret"), [(b"s\n", b"s"), (b"s", b"s"), (b"s\n\n", b"s\n"), (b"a\nb\n", b"a\nb")])
def test_secrets_from_a_file(tmp_path: Path, data: bytes, secret: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(data)
    assert config.read_secret(f"file:{path}", {}) == secret


def test_a_secret_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"\n")
    huge = tmp_path / "huge"
    huge.write_bytes(b"x" * (config.MAX_SECRET + 1))
    for path in (tmp_path / "absent", empty, huge, tmp_path, Path("~nobody-of-that-name/x")):
        with pytest.raises(SecretUnreadable):
            config.read_secret(f"file:{path}", {})


@pytest.mark.parametrize("reference", ["hunter2", "vault:hunter2", ""])
def test_what_is_no_reference_is_never_shown(reference: str) -> None:
    with pytest.raises(SecretMissing) as caught:
        config.read_secret(reference, {"": "x"})
    assert "hunter2" not in str(caught.value.problem())


def test_every_setting_has_help_a_type_and_a_default_that_passes_its_own_check() -> None:
    keys = config.every_key()
    assert len({key.variable for key in keys}) == len(keys)
    assert not {key.variable for key in keys} & config.RESERVED
    for key in keys:
        assert key.help.endswith(".")
        assert config._checked(key, key.default, "default") == key.default
        assert config.value_of(Settings(), key.name) == key.default
    assert [key.name.partition(".")[0] for key in keys] == sorted(
        (key.name.partition(".")[0] for key in keys), key=list(msgspec.structs.asdict(Settings())).index
    )


def test_every_refusal_is_an_error_of_ours(machine: Machine) -> None:
    machine.project.write_text("[mirror]\nworkers = 1979-05-27\n")
    with pytest.raises(StellaError):
        machine.load()
