"""Every chapter has exercises, each followed by its solution: a folded cell, hence executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"Scale-spaces", "Propositions", "Drift-diffusion", "The reverse process", "Comparison"}
AT_LEAST = 3
PROMPTS = ("Show the solution", "Hide the solution")


def chapters() -> list[Path]:
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    assert {part["caption"] for part in parts} >= PARTS
    listed = [part["chapters"] for part in parts if part["caption"] in PARTS]
    return [ROOT / f"{chapter['file']}.md" for part in listed for chapter in part]


def faults(page: str) -> list[str]:
    """What is wrong with the exercises of a page."""
    sections = re.findall(r"^## Exercises\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    if len(sections) != 1:
        return [f"{len(sections)} sections of exercises"]
    _, *found = re.split(r"^\*\*(\d+)\.\*\* ", sections[0], flags=re.MULTILINE)
    numbers, bodies = found[::2], found[1::2]
    wrong = [] if len(numbers) >= AT_LEAST else [f"{len(numbers)} exercises"]
    if numbers != [str(k) for k in range(1, len(numbers) + 1)]:
        wrong.append(f"numbered {', '.join(numbers)}")
    for number, body in zip(numbers, bodies, strict=True):
        cells = re.findall(r"^```\{code-cell\}[^\n]*\n---\n(.*?)^---\n.*?^```$", body, re.M | re.S)
        heads = [yaml.safe_load(head) for head in cells]
        question = re.split(r"^```|^:::", body, flags=re.MULTILINE)[0]
        if len(question.split()) < 8 or not any(solves(head) for head in heads):
            wrong.append(f"exercise {number} has no solution or no question")
    return wrong


def solves(head: dict[str, object]) -> bool:
    """Whether the head of a cell folds it and offers it as a solution."""
    prompts = head.get("mystnb", {})
    assert isinstance(prompts, dict)
    shown = (prompts.get("code_prompt_show"), prompts.get("code_prompt_hide"))
    return head.get("tags") == ["hide-cell"] and shown == PROMPTS


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_chapter_has_exercises_with_solutions(chapter: Path) -> None:
    assert faults(chapter.read_text(encoding="utf-8")) == []


CELL = """```{code-cell} ipython3
---
tags: [hide-cell]
mystnb: {code_prompt_show: Show the solution, code_prompt_hide: Hide the solution}
---
assert 1 + 1 == 2
```
"""
QUESTION = "Show that one and one are two, by counting.\n\n"
GOOD = "# A\n\n## Exercises\n\n" + "\n".join(f"**{k}.** {QUESTION}{CELL}" for k in (1, 2, 3))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("## Exercises", "## Tasks"),
        ("**2.** ", "**3.** "),
        (f"**3.** {QUESTION}{CELL}", ""),
        (f"**3.** {QUESTION}{CELL}", f"**3.** {QUESTION}"),
        (f"**2.** {QUESTION}", "**2.** "),
        ("[hide-cell]", "[hide-input]"),
        ("Show the solution", "Show"),
    ],
)
def test_a_missing_exercise_or_solution_is_seen(good: str, bad: str) -> None:
    assert faults(GOOD) == []
    assert good in GOOD
    assert faults(GOOD.replace(good, bad))
