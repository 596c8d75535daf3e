"""A session with Claude Code, from recorded requests: ten turns and an eleventh, of all that such sessions are made of.

The head is a recorded request, with its system prompt and tools. It goes on as the client goes on: the model's answer
comes back as it came, then the tool's result or what the person typed.
"""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import frozen

import claude_bridge

RECORDED: Final = Path(__file__).parents[1] / "fixtures" / "claude_code"
SOURCES: Final = Path(claude_bridge.__file__).parent
PICTURE: Final = "06-image-tool-result"

CHINESE: Final = (
    "这个函数在读取配置文件时会先检查缓存,如果缓存已经过期,就重新从磁盘加载。请注意,在多线程环境下必须加锁,"
    "否则两个请求可能同时写入同一个文件。我们建议把超时时间设置为三十秒,并在日志里记录每一次失败的原因。"
    "升级之后,旧版本的客户端仍然可以使用原来的接口,但是新的字段会被忽略。"
)
RUSSIAN: Final = (
    "Сначала программа проверяет, существует ли файл настроек, и только потом открывает соединение с сервером. "  # noqa: RUF001 - Russian
    "Если сервер не отвечает в течение тридцати секунд, запрос повторяется ещё один раз. Пожалуйста, не забудьте "
    "перезапустить службу после изменения ключа, иначе новые значения не вступят в силу. "
)
GERMAN: Final = (
    "Bevor die Anwendung gestartet wird, müssen alle Abhängigkeiten installiert sein. Änderungen an der "
    "Konfigurationsdatei werden erst nach einem Neustart übernommen, weil die Zugangsdaten nur beim Hochfahren "
    "eingelesen werden. Größere Dateien überträgt der Dienst stückweise. "
)
ENGLISH: Final = (
    "The importer reads each record twice, which is why large uploads are slow. I would like you to find out where the "
    "second pass begins and whether anything still depends on it. Please don't change the public interface; other "
    "teams rely on it, and the release is on Thursday. If you are unsure, ask before you edit anything.\n"
)


def recorded(name: str) -> dict[str, Any]:
    """Return the body of a recorded request."""
    body: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_bytes())["body"]
    return body


@frozen
class Step:
    """What the model calls, with what input, and what comes back: a result's content, or a person's prompt."""

    tool: str
    input: dict[str, Any]
    result: Any


def code(name: str, lines: int = 400) -> str:
    """Return a source file as the Read tool shows it, with numbered lines."""
    listed = (SOURCES / name).read_text().splitlines()[:lines]
    return "\n".join(f"{number}\t{line}" for number, line in enumerate(listed, start=1))


def listing(rows: int) -> str:
    """Return what ``ls -l`` says of a folder of build products."""
    chance = random.Random(1)  # noqa: S311 - only has to look like one
    kinds = ("module", "test_parser", "index", "vendor.min", "README", "package-lock")
    return "\n".join(
        f"-rw-r--r-- 1 dev dev {chance.randrange(9**7):>8} Nov {chance.randrange(1, 30):>2} "
        f"{chance.randrange(24):02}:{chance.randrange(60):02} {chance.choice(kinds)}-{chance.randbytes(6).hex()}.js"
        for _ in range(rows)
    )


def history(rows: int) -> str:
    """Return what ``git log --stat`` says, hashes and all."""
    chance = random.Random(2)  # noqa: S311 - only has to look like one
    subjects = ("Fix the parser's second pass", "Bump lodash from 4.17.20 to 4.17.21", "Merge branch 'main' into api")
    return "\n".join(
        f"commit {chance.randbytes(20).hex()}\nAuthor: Dev <dev@example.com>\nDate:   Mon Nov {row % 28 + 1} "
        f"10:0{row % 9}:11 2026 +0100\n\n    {chance.choice(subjects)}\n\n"
        f" src/api/routes.py | {chance.randrange(90)} ++++---\n"
        for row in range(rows)
    )


def packages(rows: int) -> str:
    """Return a part of a lock file: JSON with versions and digests."""
    chance = random.Random(3)  # noqa: S311 - only has to look like one
    listed = {
        f"node_modules/part-{row}": {
            "version": f"{chance.randrange(20)}.{chance.randrange(30)}.{chance.randrange(9)}",
            "resolved": f"https://registry.example.com/part-{row}/-/part-{row}.tgz",
            "integrity": f"sha512-{b64encode(chance.randbytes(64)).decode()}",
            "engines": {"node": ">=18"},
            "dev": chance.random() < 0.5,
        }
        for row in range(rows)
    }
    return json.dumps({"lockfileVersion": 3, "packages": listed}, indent=2)


def failures(rows: int) -> str:
    """Return what a test run says that goes wrong."""
    return "\n".join(
        f'tests/test_{row}.py::test_upload FAILED\n  File "/home/dev/app/tests/test_{row}.py", line {row * 7}, in '
        f"test_upload\n    assert response.status_code == 200\nE   assert 50{row % 4} == 200\nE    +  where "
        f"50{row % 4} = <Response [50{row % 4}]>.status_code\n"
        for row in range(rows)
    )


def picture() -> list[Any]:
    """Return the recorded picture, as a tool's result carries it."""
    (block,) = recorded(PICTURE)["messages"][-1]["content"]
    content: list[Any] = block["content"]
    return content


STEPS: Final = (
    Step("Read", {"file_path": "/home/dev/app/request.py"}, code("core/chat_completions/translation.py")),
    Step("Bash", {"command": "ls -l dist", "description": "List build products"}, listing(60)),
    Step("Bash", {"command": "cat package-lock.json", "description": "Show the lock file"}, packages(25)),
    Step("Bash", {"command": "git log --stat -20", "description": "Show history"}, history(20)),
    Step("WebFetch", {"url": "https://docs.example.com", "prompt": "Summarise"}, ENGLISH * 15 + GERMAN * 6),
    Step("Read", {"file_path": "/home/dev/app/shot.png"}, picture()),
    Step(
        "Edit",
        {
            "file_path": "/home/dev/app/a.py",
            "old_string": code("core/sse.py"),
            "new_string": code("core/strict_json.py"),
        },
        "The file has been updated.",
    ),
    Step("WebFetch", {"url": "https://docs.example.cn", "prompt": "Summarise"}, CHINESE * 12 + RUSSIAN * 8),
    Step("Bash", {"command": "pytest -q", "description": "Run the tests"}, failures(40)),
    Step("Read", {"file_path": "/home/dev/app/reader.py"}, code("core/chat_completions/answer/reader.py")),
)


def requests(head: str, steps: tuple[Step, ...]) -> Iterator[dict[str, Any]]:
    """Yield the request of each turn, the first before any step, each with all that went before it."""
    asked = recorded(head)
    messages = list(asked["messages"])
    yield asked
    for number, step in enumerate(steps):
        call = {"type": "tool_use", "id": f"toolu_{number:020}", "name": step.tool, "input": step.input}
        back = {"type": "tool_result", "tool_use_id": call["id"], "content": step.result}
        said = {"type": "text", "text": "Let me look at that first."}
        messages += [{"role": "assistant", "content": [said, call]}, {"role": "user", "content": [back]}]
        yield {**asked, "messages": list(messages)}
