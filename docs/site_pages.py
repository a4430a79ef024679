"""What the documentation site has beyond docs/: README, CONTRIBUTING and the plug-ins' page, every command, and the
notebooks, which are executed for it."""

from __future__ import annotations

import posixpath
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# From a file of the repository to its page of the site.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "examples/plugins/README.md": "plug-ins.md"}
NOTEBOOKS = "examples/notebooks"
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):(<code>)~?")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside docs/."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=turned(text, source)))
    files.append(File.generated(config, "commands.md", content=commands()))
    for notebook in sorted((ROOT / NOTEBOOKS).glob("*.ipynb")):
        page = f"notebooks/{notebook.stem}.md"
        text, pictures = executed(notebook, page)
        files.append(File.generated(config, page, content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def executed(notebook: Path, page: str) -> tuple[str, dict[str, bytes]]:
    """A notebook run from top to bottom in a folder of its own, as Markdown with the links of its page, and its
    pictures by name; a cell that raises is an error."""
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import MarkdownExporter

    found = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # As in a clone: the board lies two folders above.
        beside = Path(folder, NOTEBOOKS)
        beside.mkdir(parents=True)
        shutil.copytree(ROOT / "leaderboard", Path(folder, "leaderboard"))
        NotebookClient(
            found, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(beside)}}
        ).execute()
    for cell in found.cells:
        # Bars and warnings are of the machine that executed it.
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.output_type != "stream"]
        elif cell.cell_type == "markdown":
            cell.source = turned(cell.source, f"{NOTEBOOKS}/{notebook.name}", page)
    text, resources = MarkdownExporter().from_notebook_node(found, {"unique_key": notebook.stem})
    return text, resources["outputs"]


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
    generated = page.file.src_uri in PAGES.values() or page.file.src_uri.startswith("notebooks/")
    return markdown if generated else turned(markdown, f"docs/{page.file.src_uri}")


def turned(text: str, source: str, page: str = "") -> str:
    """A page's text with links and pictures that hold in the site.

    A link to a file that has no page stays as its name; one to a file that is not there is an error.

    Args:
        source: the page's file, from the repository's root.
        page: where it stands in the site; at its top unless given.
    """
    up = "../" * page.count("/")

    def turn(found: re.Match[str]) -> str:
        picture, name, target, anchor = found[1], found[2], found[3], found[4] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{source}: the link to {target} leads nowhere")
        if picture:
            return f"![{name}]({up}{path.removeprefix('docs/')})"
        if path.startswith(f"{NOTEBOOKS}/"):
            return f"[{name}]({up}notebooks/{Path(path).stem}.md{anchor})"
        if path in PAGES:
            return f"[{name}]({up}{PAGES[path]}{anchor})"
        if path.startswith("docs/") and not (ROOT / path).is_dir():
            return f"[{name}]({up}{path.removeprefix('docs/')}{anchor})"
        return f"{name} (`{path}`)" if name.strip("`/") != path.strip("/") else f"`{path}`"

    # Not within code.
    parts = re.split(r"(```.*?```)", text, flags=re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(turn, part) for part in parts)
