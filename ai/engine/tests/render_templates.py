"""Renders chat templates as transformers does, for comparison with the engine's rendering.

    python render_templates.py FOLDER OUT.json

Every *.jinja in FOLDER is rendered for conversations with and without a system message, tools, calls and
results; OUT.json holds conversations, templates and texts. ARGOS_CHAT_TEMPLATES=OUT.json makes the engine's
test `templates_of_others_render_as_with_transformers` compare. Needs transformers and jinja2.
"""

import json
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

BOS, EOS = "<bos>", "<eos>"

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather of a place; \"now\" & 'later' <b>",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "A town, e.g. Zürich"},
                    "days": {"type": "integer", "minimum": 1, "default": 3},
                    "unit": {"type": "string", "enum": ["C", "F"]},
                    "exact": {"type": "boolean", "default": False},
                    "limit": {"type": ["number", "null"], "default": 1.5},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "more": {
                        "type": "object",
                        "properties": {"a": {"type": "number"}},
                        "required": ["a"],
                    },
                },
                "required": ["place", "days"],
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}},
    },
]


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, number):
    function = {"name": name, "arguments": arguments}
    return {"id": f"call{number:05}", "type": "function", "function": function}


SYSTEM = message("system", "Be brief.\n\nAnd <kind> & \"polite\".")
ASKED = message("user", "  What's the weather in Zürich? 😀 \n")
CALLS = message("assistant", "", tool_calls=[call("weather", {"place": "Zürich", "days": 2, "exact": True, "limit": 0.5, "tags": ["a", "b"], "more": {"a": None}}, 1)])
SAID_AND_CALLS = {**CALLS, "content": "I'll look."}
TWO = message("assistant", "", tool_calls=[call("weather", {"place": "x"}, 1), call("clock", {}, 2)])
RESULT = message("tool", '{"sky": "clear", "celsius": 21.0}', tool_call_id="call00001", name="weather")
SECOND = message("tool", "12:00", tool_call_id="call00002", name="clock")
DONE = message("assistant", "Clear, 21 degrees.")
THOUGHT = message("assistant", "<think>\nHm.\n</think>\n\nClear.")
AGAIN = message("user", "Thanks. And tomorrow?")

CONVERSATIONS = {
    "user": ([ASKED], None),
    "system": ([SYSTEM, ASKED], None),
    "turns": ([SYSTEM, ASKED, DONE, AGAIN], None),
    "thought": ([ASKED, THOUGHT, AGAIN], None),
    "tools": ([ASKED], TOOLS),
    "tools and system": ([SYSTEM, ASKED], TOOLS),
    "called": ([SYSTEM, ASKED, CALLS, RESULT], TOOLS),
    "said and called": ([ASKED, SAID_AND_CALLS, RESULT, DONE, AGAIN], TOOLS),
    "two calls": ([SYSTEM, ASKED, TWO, RESULT, SECOND], TOOLS),
}


def render(source, messages, tools):
    try:
        texts, _ = render_jinja_template(
            conversations=[messages],
            tools=tools,
            chat_template=source,
            add_generation_prompt=True,
            bos_token=BOS,
            eos_token=EOS,
        )
        return {"text": texts[0]}
    except Exception as error:  # whatever a template or its sandbox raises
        return {"error": f"{type(error).__name__}: {error}"}


def main(folder, out):
    templates = {}
    for path in sorted(Path(folder).glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        texts = {name: render(source, *of) for name, of in CONVERSATIONS.items()}
        templates[path.name] = {"source": source, "renderings": texts}
    conversations = {
        name: {"messages": messages, "tools": tools or []}
        for name, (messages, tools) in CONVERSATIONS.items()
    }
    result = {"bos": BOS, "eos": EOS, "conversations": conversations, "templates": templates}
    Path(out).write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
