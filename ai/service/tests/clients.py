"""The HTTP API as the official `openai` client sees it. Started by clients.sh.

    clients.py SOCKET ADDRESS TOKEN DEFAULT

DEFAULT says whether there is a model `default` that embeds. The other models are tiny and random: what they
say means nothing, so structure, limits and validity are looked at.
"""

import json
import sys

import httpx2 as httpx
import openai

SOCKET, ADDRESS, TOKEN, DEFAULT = sys.argv[1:]
HELLO = [{"role": "user", "content": "Hi"}]
SCHEMA = {
    "type": "object",
    "properties": {"on": {"type": "boolean"}, "room": {"enum": ["hall", "attic"]}},
    "required": ["on", "room"],
    "additionalProperties": False,
}
FUNCTION = {"name": "light", "description": "Turns a lamp", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": FUNCTION}]


def over_socket(**options):
    transport = httpx.HTTPTransport(uds=SOCKET)
    http = httpx.Client(transport=transport)
    return openai.OpenAI(base_url="http://localhost/v1", api_key="none", http_client=http, max_retries=0, **options)


def over_tcp(token):
    return openai.OpenAI(base_url=f"http://{ADDRESS}/v1", api_key=token, max_retries=0)


def refused(kind, code, call):
    try:
        call()
    except kind as error:
        assert error.code == code, error
        return error
    raise AssertionError(f"not refused: {kind} {code}")


def chats(client):
    whole = client.chat.completions.create(model="hermes", messages=HELLO, max_tokens=10, seed=1, temperature=1)
    assert whole.choices[0].finish_reason in ("length", "stop") and whole.usage.total_tokens > 0
    stream = client.chat.completions.create(
        model="hermes", messages=HELLO, max_tokens=10, seed=1, temperature=1, stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content, (text, whole)
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    several = client.chat.completions.create(model="hermes", messages=HELLO, max_tokens=5, n=3, logprobs=True, top_logprobs=2)
    assert [c.index for c in several.choices] == [0, 1, 2]
    for choice in several.choices:
        assert all(len(t.top_logprobs) == 2 and t.logprob <= 0 for t in choice.logprobs.content)


def tools(client):
    for model in ("hermes", "mistral", "llama"):
        for seed in range(3):
            wish = dict(model=model, messages=HELLO, tools=TOOLS, seed=seed, parallel_tool_calls=False)
            whole = client.chat.completions.create(tool_choice="required", **wish)
            (call,) = whole.choices[0].message.tool_calls
            value = json.loads(call.function.arguments)
            assert call.function.name == "light" and isinstance(value["on"], bool), call
            assert whole.choices[0].finish_reason == "tool_calls"
            # The helper puts deltas together by itself.
            with client.chat.completions.stream(tool_choice="required", **wish) as stream:
                final = stream.get_final_completion()
            (streamed,) = final.choices[0].message.tool_calls
            assert streamed.function.arguments == call.function.arguments
        past = HELLO + [
            whole.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "done"},
        ]
        client.chat.completions.create(model=model, messages=past, tools=TOOLS, max_tokens=5)


def formats(client):
    form = {"type": "json_schema", "json_schema": {"name": "lamp", "strict": True, "schema": SCHEMA}}
    for seed in range(3):
        whole = client.chat.completions.create(model="hermes", messages=HELLO, response_format=form, seed=seed)
        assert json.loads(whole.choices[0].message.content)["room"] in ("hall", "attic")


def completions(client):
    whole = client.completions.create(model="hermes", prompt=["One", "Two"], max_tokens=4, seed=1, logprobs=1)
    assert [c.index for c in whole.choices] == [0, 1]
    stream = client.completions.create(model="hermes", prompt=["One", "Two"], max_tokens=4, seed=1, stream=True)
    texts = ["", ""]
    for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == [c.text for c in whole.choices]


def responses(client):
    whole = client.responses.create(model="hermes", input="Hi", instructions="Be brief.", max_output_tokens=6)
    assert whole.status in ("completed", "incomplete") and isinstance(whole.output_text, str)
    call_tools = [{"type": "function", **FUNCTION, "strict": True}]
    wish = dict(model="hermes", input="Hi", tools=call_tools, tool_choice="required", parallel_tool_calls=False)
    whole = client.responses.create(**wish)
    assert whole.output[0].type == "function_call" and json.loads(whole.output[0].arguments)
    with client.responses.stream(**wish) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert json.loads(final.output[0].arguments)["room"] in ("hall", "attic")
    with client.responses.stream(model="hermes", input="Hi", max_output_tokens=6) as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
    assert len(text) <= 6


def embeddings(client):
    # The client asks for base64 and unpacks it.
    one = client.embeddings.create(model="default", input=["a cat", "a dog"])
    assert len(one.data) == 2 and len(one.data[0].embedding) == 384
    plain = client.embeddings.create(model="default", input="a cat", encoding_format="float")
    assert all(abs(a - b) < 1e-6 for a, b in zip(plain.data[0].embedding, one.data[0].embedding))


def errors(client):
    error = refused(openai.NotFoundError, "model_not_found", lambda: client.models.retrieve("nope"))
    assert "hermes" in str(error)
    long = [{"role": "user", "content": "x" * 2000}]
    refused(
        openai.BadRequestError, "context_length_exceeded",
        lambda: client.chat.completions.create(model="hermes", messages=long),
    )
    refused(
        openai.BadRequestError, "unsupported_parameter",
        lambda: client.chat.completions.create(model="hermes", messages=HELLO, logit_bias={"5": 1}),
    )
    refused(
        openai.BadRequestError, "unsupported_parameter",
        lambda: client.responses.create(model="hermes", input="x", previous_response_id="resp_1"),
    )


for name, client in (("socket", over_socket()), ("tcp", over_tcp(TOKEN))):
    assert {"hermes", "mistral", "llama"} <= {m.id for m in client.models.list()}
    parts = [chats, tools, formats, completions, responses, errors]
    if DEFAULT == "yes":
        parts.append(embeddings)
    for part in parts:
        part(client)
        print(f"{name}: {part.__name__}")
refused(openai.AuthenticationError, "invalid_api_key", lambda: over_tcp("wrong").models.list())
print("tcp: wrong token")
