"""What the documentation site has beyond docs/: README, CONTRIBUTING and the plug-ins' page, and every command."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# From a file of the repository to its page of the site.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "examples/plugins/README.md": "plug-ins.md"}
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):(<code>)~?")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside docs/."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=turned(text, source)))
    files.append(File.generated(config, "commands.md", content=commands()))
    return files


def commands() -> str:
    """Every command's help, as it prints it."""
    import click

    from clbench.cli.main import cli

    lines = ["# Commands", "", "Every command with its options, as `clbench COMMAND --help` prints them."]

    def add(command: click.Command, parent: click.Context | None, name: str) -> None:
        context = click.Context(command, info_name=name, parent=parent, terminal_width=86, max_content_width=86)
        level = "##" if context.parent is None or context.parent.parent is None else "###"
        lines.extend(["", f"{level} {context.command_path}", "", "```text", command.get_help(context), "```"])
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                found = command.get_command(context, below)
                if found is not None:
                    add(found, context, below)

    add(cli, None, "clbench")
    return "\n".join(lines) + "\n"


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings refer to each other as Sphinx has it; here the name is enough."""
    return _ROLE.sub(r"\1", html)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A link out of docs/ becomes one of the site, or a name."""
    return markdown if page.file.src_uri in PAGES.values() else turned(markdown, f"docs/{page.file.src_uri}")


def turned(text: str, source: str) -> str:
    """A page's text with links that hold in the site.

    A link to a file that has no page stays as its name; one to a file that is not there is an error.

    Args:
        source: the page's file, from the repository's root.
    """

    def turn(found: re.Match[str]) -> str:
        name, target, anchor = found[1], found[2], found[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{source}: the link to {target} leads nowhere")
        if path in PAGES:
            return f"[{name}]({PAGES[path]}{anchor})"
        if path.startswith("docs/") and not (ROOT / path).is_dir():
            return f"[{name}]({path.removeprefix('docs/')}{anchor})"
        return f"{name} (`{path}`)" if name.strip("`/") != path.strip("/") else f"`{path}`"

    # Not within code.
    parts = re.split(r"(```.*?```)", text, flags=re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(turn, part) for part in parts)
