"""What the programs' source code imports and calls."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def program_modules() -> Iterator[tuple[Path, ast.AST]]:
    """All modules of the programs whose central tasks serve connections, by their paths in the repository."""
    for program in ("login_server", "game_server", "game_server_launcher", "connman", "iot_manager"):
        for path in sorted((ROOT / program).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an expression that is just that, else nothing."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.AST) -> dict[str, str]:
    """What is imported somewhere in a module: its name there, and where it comes from, as `module` or `module.name`."""
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origins |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origins |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return origins


def called(tree: ast.AST) -> set[str]:
    """What is called in a module, such as `time.sleep` however that was imported, or `local.name.method`."""
    origins = imported(tree)
    names = {dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    parts = {name.partition(".") for name in names}
    return {"".join([origins.get(first, f"local.{first}"), *rest]) for first, *rest in parts}
