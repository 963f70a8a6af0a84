"""A program's settings: one typed struct, from defaults, then a TOML file, then the environment, then flags.

    class Config(msgspec.Struct, frozen=True, kw_only=True):
        player_port: Annotated[int, Meta(ge=0, le=65535, description="port that players connect to")] = 9000

    config = load_configuration(
        Config, program="login-server", description="Where players meet.", environment_prefix="LOGIN_SERVER_"
    )

A field is, in this order of precedence, its default, the TOML key `player_port`, the environment variable
`LOGIN_SERVER_PLAYER_PORT` and the flag `--player-port`. It may be a `str`, `int`, `float`, `bool`,
`pathlib.Path`, `list[str]` (in text separated by commas; its flag may be repeated) or a `Literal` of texts,
with `Meta` bounds; one whose `Meta` has `extra={"short": "-p"}` has that flag too. A wrong value ends the program with
exit status 2 and one sentence that says where it stands and what was expected. A value that is given for a field whose
`Meta` has `extra={"secret": True}` is never printed; its default, which everybody can read in the code, is.

Programs with commands look at the first word by themselves (`require_command`), and tell a command's words apart
from the options among them with `split_arguments`.
"""

import argparse
import difflib
import importlib.metadata
import importlib.util
import logging
import math
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

StructType = TypeVar("StructType", bound=msgspec.Struct)

BOOLEANS: Final = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip
"""What a boolean may be in the environment, in any case."""


def load_configuration(
    struct_type: type[StructType],
    *,
    program: str,
    description: str,
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    environment_prefix: str,
    epilog: str = "",
) -> StructType:
    """Return the program's settings.

    Args:
        struct_type: every field has a default, one of the types that this module's description names, and a
            description of its own in its `Meta`.
        program: its name on the command line.
        description: what it does, the first lines of `--help`.
        argv: the command line without the program's name; by default that of the process.
        environ: by default the environment of the process.
        environment_prefix: what the variables begin with, such as `LOGIN_SERVER_`; with `CONFIG` after it,
            the variable that can name the TOML file.
        epilog: the last lines of `--help`.

    Raises:
        SystemExit: with status 2 for a wrong value, after one sentence on stderr; with 0 after `--help` and
            `--version`.
        TypeError: `struct_type` has a field without a default or of another type.
    """
    environ = os.environ if environ is None else environ
    fields = _fields_of(struct_type, environment_prefix)
    parser = _argument_parser(program, description, epilog, environment_prefix, fields)
    values: dict[str, Any] = {}
    try:
        flags = _parse_flags(parser, sys.argv[1:] if argv is None else argv, fields)
        file = flags.pop("config", None) or environ.get(environment_prefix + "CONFIG")
        if file:
            values |= _read_file(file, fields)
        for field in fields.values():
            if field.variable in environ:
                values[field.name] = field.from_text(environ[field.variable], field.variable)
        for name, value in flags.items():
            values[name] = fields[name].from_flag(value)
        return struct_type(**values)
    except ValueError as error:
        parser.error(str(error))


def require_extra(program: str, extra: str, *modules: str) -> None:
    """End the program with a sentence that says what to install, unless all `modules` are there.

    Raises:
        SystemExit: with status 2.
    """
    if any(importlib.util.find_spec(module.partition(".")[0]) is None for module in modules):
        print(f"{program} needs the extra '{extra}': pip install 'connhandler[{extra}]'", file=sys.stderr)
        raise SystemExit(2)


def require_command(program: str, word: str, commands: Iterable[str]) -> None:
    """End the program with a sentence that says which command may have been meant, unless `word` is one of `commands`.

    Raises:
        SystemExit: with status 2.
    """
    known = list(commands)
    if word not in known:
        matches = difflib.get_close_matches(word, known, n=1)
        hint = f", did you mean {matches[0]!r}?" if matches else f"; expected one of {', '.join(known)}"
        print(f"{program}: unknown command {word!r}{hint}", file=sys.stderr)
        raise SystemExit(2)


def split_arguments(struct_type: type[msgspec.Struct], argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell a command's own words from the options before, between and after them.

    A dash alone is a word, and so is all that follows `--`. Whether the options are right is for `load_configuration`
    to say.

    Args:
        struct_type: as for `load_configuration`.
        argv: a part of the command line.

    Returns:
        The words, and the options with their values.
    """
    fields = _fields_of(struct_type, "").values()
    valued = [field for field in fields if not isinstance(field.type, inspect.BoolType)]
    with_value = {"--config", *(flag for field in valued for flag in field.flags)}
    words: list[str] = []
    options: list[str] = []
    arguments = iter(argv)
    for argument in arguments:
        if argument == "--":
            words += arguments
        elif not argument.startswith("-") or argument == "-":
            words.append(argument)
        else:
            options.append(argument)
            if argument in with_value:
                options += islice(arguments, 1)
    return words, options


def set_up_logging(level: str | int) -> None:
    """Log to stderr from `level` up, such as `"info"` or `logging.INFO`.

    Raises:
        ValueError: there is no such level.
    """
    logging.basicConfig(
        level=level.upper() if isinstance(level, str) else level,
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        force=True,
    )


class _Field:
    """One field of the struct: its names outside, and the way from text to its value."""

    def __init__(self, name: str, hint: Any, default: Any, prefix: str) -> None:
        self.name = name
        self.flag = "--" + name.replace("_", "-")
        self.variable = prefix + name.upper()
        self.default = default
        self._hint = hint
        kind = inspect.type_info(hint)
        metadata = kind if isinstance(kind, inspect.Metadata) else inspect.Metadata(kind)
        self.type = metadata.type
        self.description = str((metadata.extra_json_schema or {}).get("description", ""))
        extra = metadata.extra or {}
        self.secret = bool(extra.get("secret"))
        self.flags = [*filter(None, [extra.get("short")]), self.flag]
        if not _is_supported(self.type):
            raise TypeError(f"{name}: a setting cannot be of type {hint!r}")

    def from_toml(self, value: Any, file: str) -> Any:
        """Raises:
        ValueError: with the sentence to print.
        """
        return self._checked(value, value, f"{file}: {self.name}")

    def from_text(self, text: str, place: str) -> Any:
        """Raises:
        ValueError: with the sentence to print.
        """
        match self.type:
            case inspect.BoolType():
                return self._checked(BOOLEANS.get(text.strip().lower(), text), text, place)
            case inspect.IntType() | inspect.FloatType():
                return self._checked(text.strip(), text, place, strict=False)
            case inspect.ListType():
                return self._checked([item.strip() for item in text.split(",") if item.strip()], text, place)
        return self._checked(text, text, place)

    def from_flag(self, value: bool | str | list[str]) -> Any:
        """Raises:
        ValueError: with the sentence to print.
        """
        if isinstance(value, bool):
            return value
        return self.from_text(",".join(value) if isinstance(value, list) else value, self.flag)

    def _checked(self, value: Any, given: Any, place: str, strict: bool = True) -> Any:
        try:
            result = msgspec.convert(value, self._hint, strict=strict, dec_hook=_to_path)
        except msgspec.ValidationError:
            result = None
        if result is None or (isinstance(result, float) and not math.isfinite(result)):
            what = "the value (a secret, not shown)" if self.secret else repr(given)
            raise ValueError(f"{place}: {what} is not {self.expected}")
        return result

    @property
    def expected(self) -> str:
        """What a right value is, to end a sentence with."""
        match self.type:
            case inspect.IntType(ge=ge, le=le, gt=gt, lt=lt):
                return "a whole number" + _bounds(ge, le, gt, lt)
            case inspect.FloatType(ge=ge, le=le, gt=gt, lt=lt):
                return "a number" + _bounds(ge, le, gt, lt)
            case inspect.StrType(min_length=shortest, max_length=longest, pattern=pattern):
                return f"text{_lengths(shortest, longest, 'characters')}{_matching(pattern)}"
            case inspect.ListType(min_length=shortest, max_length=longest):
                return "a list of texts" + _lengths(shortest, longest, "items")
            case inspect.LiteralType():
                return "one of " + ", ".join(self.choices)
            case inspect.BoolType():
                return "true or false"
        return "a path"

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts of a `Literal`, in the order in which they are written; msgspec has sorted its own."""
        literal = get_args(self._hint)[0] if get_origin(self._hint) is Annotated else self._hint
        return get_args(literal)

    @property
    def default_text(self) -> str:
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        text = ",".join(self.default) if isinstance(self.default, list) else str(self.default)
        return text or "none"


def _is_supported(kind: inspect.Type) -> bool:
    match kind:
        case inspect.StrType() | inspect.IntType() | inspect.FloatType() | inspect.BoolType():
            return True
        case inspect.CustomType(cls=cls):
            return cls is Path
        case inspect.ListType(item_type=item_type):
            return isinstance(item_type, inspect.StrType)
        case inspect.LiteralType(values=values):
            return all(isinstance(value, str) for value in values)
    return False


def _to_path(kind: type, value: Any) -> Path:
    """The msgspec hook for the one type that it does not know."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("not a path")
    return Path(value).expanduser()


def _bounds(ge: float | None, le: float | None, gt: float | None, lt: float | None) -> str:
    if ge is not None and le is not None:
        return f" from {ge} to {le}"
    words = {"of at least": ge, "of at most": le, "greater than": gt, "less than": lt}
    return "".join(f" {word} {bound}" for word, bound in words.items() if bound is not None)


def _lengths(shortest: int | None, longest: int | None, unit: str) -> str:
    if longest is None:
        return f" of at least {shortest} {unit}" if shortest else ""
    return f" of {shortest or 0} to {longest} {unit}"


def _matching(pattern: str | None) -> str:
    return f" that matches {pattern}" if pattern else ""


def _fields_of(struct_type: type[msgspec.Struct], prefix: str) -> dict[str, _Field]:
    hints = get_type_hints(struct_type, include_extras=True)
    fields = {}
    for field in msgspec.structs.fields(struct_type):
        if field.required:
            raise TypeError(f"{field.name}: a setting needs a default")
        factory = field.default_factory
        default = factory() if callable(factory) else field.default
        fields[field.name] = _Field(field.name, hints[field.name], default, prefix)
    return fields


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence; the usage is a `--help` away."""
        self.exit(2, f"{self.prog}: {message}\n")


def _argument_parser(
    program: str, description: str, epilog: str, prefix: str, fields: Mapping[str, _Field]
) -> argparse.ArgumentParser:
    example = next(iter(fields.values()), None)
    rule = "" if example is None else (
        f"Each option can be set in the TOML file too ({example.name} = …) and in the environment "
        f"({example.variable}=…). The command line wins over the environment, and that over the file."
    )  # fmt: skip
    parser = _ArgumentParser(
        prog=program,
        usage="%(prog)s [--config FILE] [option ...]",
        description=description,
        epilog=" ".join(filter(None, (rule, epilog))),
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--version", action="version", version=f"{program} {_version()}")
    parser.add_argument("--config", metavar="FILE", help=f"TOML file with settings (or {prefix}CONFIG)")
    for field in fields.values():
        text = f"{field.description} (default: {field.default_text})".strip().replace("%", "%%")
        parser.add_argument(*field.flags, dest=field.name, help=text, **_flag_form(field))
    return parser


def _flag_form(field: _Field) -> dict[str, Any]:
    match field.type:
        case inspect.BoolType():
            return {"action": argparse.BooleanOptionalAction}
        case inspect.ListType():
            return {"metavar": "TEXT,…", "action": "append"}
        case inspect.LiteralType():
            return {"metavar": "|".join(field.choices)}
        case inspect.IntType() | inspect.FloatType():
            return {"metavar": "NUMBER"}
        case inspect.CustomType():
            return {"metavar": "PATH"}
    return {"metavar": "TEXT"}


def _parse_flags(parser: argparse.ArgumentParser, argv: Sequence[str], fields: Mapping[str, _Field]) -> dict[str, Any]:
    """Raises:
    ValueError: with the sentence to print.
    """
    namespace, unknown = parser.parse_known_args(argv)
    if not unknown:
        return vars(namespace)
    # Only the name of an unknown option is printed: what follows it may be a mistyped option's secret.
    option = next((argument.partition("=")[0] for argument in unknown if argument.startswith("-")), None)
    if option is None:
        raise ValueError("there are only options, see --help; something stands alone on the command line")
    known = ["--config", "--help", "--version"]
    known += [flag for field in fields.values() for flag in _flags_of(field)]
    raise ValueError(f"there is no option {option}{_suggestion(option, known)}")


def _flags_of(field: _Field) -> list[str]:
    if isinstance(field.type, inspect.BoolType):
        return [field.flag, "--no-" + field.flag.removeprefix("--")]
    return [field.flag]


def _read_file(file: str, fields: Mapping[str, _Field]) -> dict[str, Any]:
    """Raises:
    ValueError: with the sentence to print.
    """
    try:
        table = tomllib.loads(Path(file).read_bytes().decode())
    except OSError as error:
        raise ValueError(f"--config: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: is not TOML: {error}") from error
    for key in table:
        if key not in fields:
            raise ValueError(f"{file}: there is no setting {key}{_suggestion(key, fields)}")
    return {key: fields[key].from_toml(value, file) for key, value in table.items()}


def _suggestion(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _version() -> str:
    try:
        return importlib.metadata.version("connhandler")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
