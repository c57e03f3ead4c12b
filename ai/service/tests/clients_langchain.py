"""The HTTP API as LangChain sees it. Started by clients.sh.

The models are tiny and random: only schemas without further properties (`strict`) keep what they say short.

    clients_langchain.py ADDRESS TOKEN DEFAULT
"""

import asyncio
import sys
from typing import Literal

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

ADDRESS, TOKEN, DEFAULT = sys.argv[1:]
HELLO = [SystemMessage("Be brief."), HumanMessage("Hi")]


@tool
def light(on: bool, room: Literal["hall", "attic"]) -> str:
    """Turns a lamp on or off."""
    return f"{room}: {on}"


class Lamp(BaseModel):
    """A lamp."""

    on: bool = Field(description="Whether it burns")
    room: Literal["hall", "attic"]


def chat(model, **options):
    options = {"max_tokens": 12, "seed": 1, "temperature": 1, **options}
    return ChatOpenAI(model=model, base_url=f"http://{ADDRESS}/v1", api_key=TOKEN, max_retries=0, **options)


def chats():
    model = chat("hermes", stream_usage=True)
    whole = model.invoke(HELLO)
    chunks = list(model.stream(HELLO))
    together = chunks[0]
    for chunk in chunks[1:]:
        together += chunk
    assert together.content == whole.content, (together, whole)
    assert together.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"] > 0
    assert whole.response_metadata["finish_reason"] in ("length", "stop")
    three = model.batch([HELLO] * 3)
    assert [m.content for m in three] == [whole.content] * 3
    assert asyncio.run(model.ainvoke(HELLO)).content == whole.content
    stopped = chat("hermes", stop=[whole.content[2]]).invoke(HELLO)
    assert whole.content.startswith(stopped.content)
    probable = chat("hermes", logprobs=True, top_logprobs=2).invoke(HELLO)
    assert probable.response_metadata["logprobs"]["content"]


def tools():
    for name in ("hermes", "mistral", "llama"):
        model = chat(name, max_tokens=100).bind_tools([light], tool_choice="any", parallel_tool_calls=False, strict=True)
        said = model.invoke(HELLO)
        (call,) = said.tool_calls
        assert call["name"] == "light" and call["args"]["room"] in ("hall", "attic") and not said.invalid_tool_calls
        streamed = None
        for chunk in model.stream(HELLO):
            streamed = chunk if streamed is None else streamed + chunk
        assert streamed.tool_calls[0]["args"] == call["args"]
        result = light.invoke(call)
        assert isinstance(result, ToolMessage)
        free = chat(name).bind_tools([light])
        assert isinstance(free.invoke([*HELLO, said, result]), AIMessage)
        list(free.stream([*HELLO, said, result]))
        named = chat(name, max_tokens=100).bind_tools([light], tool_choice="light", strict=True)
        assert named.invoke(HELLO).tool_calls[0]["name"] == "light"


def structured():
    for method in ("json_schema", "function_calling"):
        for name in ("hermes", "mistral", "llama"):
            model = chat(name, max_tokens=100).with_structured_output(Lamp, method=method, strict=True, include_raw=True)
            found = model.invoke(HELLO)
            assert isinstance(found["parsed"], Lamp), found
    plain = chat("hermes", max_tokens=100).with_structured_output(Lamp.model_json_schema(), method="json_schema", strict=True)
    assert plain.invoke(HELLO)["room"] in ("hall", "attic")
    parts = list(plain.stream(HELLO))
    assert parts[-1]["room"] in ("hall", "attic"), parts


def responses():
    model = chat("hermes", use_responses_api=True, seed=None)
    assert isinstance(model.invoke(HELLO).text, str)
    assert isinstance("".join(c.text for c in model.stream(HELLO)), str)
    calling = chat("hermes", use_responses_api=True, seed=None, max_tokens=100).bind_tools([light], tool_choice="any", strict=True)
    said = calling.invoke(HELLO)
    assert said.tool_calls[0]["args"]["room"] in ("hall", "attic")
    answer = chat("hermes", use_responses_api=True, seed=None).bind_tools([light])
    answer.invoke([*HELLO, said, *(light.invoke(c) for c in said.tool_calls)])


def embeddings():
    # Otherwise it cuts texts into OpenAI's own tokens.
    model = OpenAIEmbeddings(model="default", base_url=f"http://{ADDRESS}/v1", api_key=TOKEN, check_embedding_ctx_length=False)
    assert [len(v) for v in model.embed_documents(["a cat", "a dog"])] == [384, 384]


def errors():
    try:
        chat("hermes").invoke([HumanMessage("x" * 3000)])
    except openai.BadRequestError as error:
        assert error.code == "context_length_exceeded", error
    else:
        raise AssertionError("too long a prompt is taken")


parts = [chats, tools, structured, responses, errors]
if DEFAULT == "yes":
    parts.append(embeddings)
for part in parts:
    part()
    print(f"langchain: {part.__name__}")
