#!/bin/sh
# The official `openai` client, LangChain, `llm` and curl against the HTTP API, over the Unix socket and TCP.
#
#   clients.sh ARGOS_AI PYTHON
#
# ARGOS_AI is the program; PYTHON has openai==3.57.0, langchain-openai==1.7.4 and llm==0.36 (pip install them
# into a virtual environment). ARGOS_ONNXRUNTIME names the library; ARGOS_TEST_MODEL, where it is set, the
# default model. Needs dbus-daemon and curl. Not part of CI: it needs packages that nothing else does.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: clients.sh ARGOS_AI PYTHON" >&2
    exit 2
fi
program=$1 python=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tiny="$here/../../engine/tests/models/lm-gqa"
folder=$(mktemp -d)
bus='' service=''
finish() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || true
    [ -z "$bus" ] || kill "$bus" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

# Models whose templates know tools, in each form.
for model in hermes mistral llama; do
    case $model in
        hermes) mark='<tool_call>' ;;
        mistral) mark='[TOOL_CALLS]' ;;
        llama) mark='<|python_tag|>' ;;
    esac
    mkdir -p "$folder/models/$model"
    cp "$tiny"/* "$folder/models/$model/"
    cat >"$folder/models/$model/tokenizer_config.json" <<END
{"chat_template": "{% if tools %}{% for t in tools %}{{ t.function.name }} {% endfor %}{% endif %}{% for m in messages %}{{ m.role }} {{ m.content }}{% for c in m.tool_calls or [] %}$mark{{ c.function.name }}{% endfor %}\n{% endfor %}", "eos_token": "<|im_end|>"}
END
done
default=no
if [ -n "${ARGOS_TEST_MODEL:-}" ]; then
    cp -r "$ARGOS_TEST_MODEL" "$folder/models/default"
    default=yes
fi

mkfifo "$folder/address"
dbus-daemon --session --nofork --print-address=1 2>/dev/null >"$folder/address" &
bus=$!
read -r address <"$folder/address"
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "$token" >"$folder/token"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$program" --bus "$address" --models "$folder/models" --http "$folder/socket" \
    --http-tcp "127.0.0.1:$port" --http-token-file "$folder/token" &
service=$!
tries=0
until curl -sf --unix-socket "$folder/socket" http://localhost/health >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "the service does not come up" >&2; exit 1; }
    sleep 0.1
done

"$python" "$here/clients.py" "$folder/socket" "127.0.0.1:$port" "$token" "$default"
"$python" "$here/clients_langchain.py" "127.0.0.1:$port" "$token" "$default"

# Simon Willison's `llm`, which keeps models, keys and logs in a folder.
LLM_USER_PATH="$folder/llm"
export LLM_USER_PATH
mkdir "$LLM_USER_PATH"
for model in hermes mistral llama; do
    cat >>"$LLM_USER_PATH/extra-openai-models.yaml" <<END
- model_id: argos-$model
  model_name: $model
  api_base: "http://127.0.0.1:$port/v1"
  api_key_name: argos
  supports_tools: true
  supports_schema: true
END
done
echo "{\"argos\": \"$token\"}" >"$LLM_USER_PATH/keys.json"
llm() {
    "$python" -m llm "$@"
}
schema='{"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"], "additionalProperties": false}'
for model in hermes mistral llama; do
    whole=$(llm -m "argos-$model" -s "Be brief." -o max_tokens 12 -o seed 1 -o temperature 1 --no-stream "Hi" </dev/null)
    stream=$(llm -m "argos-$model" -s "Be brief." -o max_tokens 12 -o seed 1 -o temperature 1 "Hi" </dev/null)
    [ "$whole" = "$stream" ] || { echo "llm: '$stream' and not '$whole'" >&2; exit 1; }
    llm -m "argos-$model" --schema "$schema" "Hi" </dev/null |
        "$python" -c 'import json, sys; assert isinstance(json.load(sys.stdin)["on"], bool)'
    llm -m "argos-$model" -o max_tokens 12 --functions 'def light(on: bool) -> str:
    "Turns a lamp"
    return "done"' "Hi" </dev/null >/dev/null
    llm -c -m "argos-$model" -o max_tokens 5 "And again" </dev/null >/dev/null
    echo "llm: $model"
done

status() {
    curl -s -o "$folder/out" -w '%{http_code}' "$@"
}
expect() {
    [ "$1" = "$2" ] || { echo "curl: $3: $1 and not $2: $(cat "$folder/out")" >&2; exit 1; }
    echo "curl: $3"
}
chat='{"model": "hermes", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}'
json='Content-Type: application/json'
here="http://localhost/v1/chat/completions"
there="http://127.0.0.1:$port/v1/chat/completions"
expect "$(status --unix-socket "$folder/socket" -H "$json" -d "$chat" "$here")" 200 "socket"
expect "$(status --unix-socket "$folder/socket" -H "$json" -d '{' "$here")" 400 "no JSON"
grep -q 'line 1 column 1' "$folder/out"
expect "$(status --unix-socket "$folder/socket" -d "$chat" "$here")" 415 "a form"
expect "$(status -H "$json" -d "$chat" "$there")" 401 "tcp without a token"
expect "$(status -H "$json" -H "Authorization: Bearer $token" -d "$chat" "$there")" 200 "tcp"
stream=$(curl -sN --unix-socket "$folder/socket" -H "$json" -d "${chat%\}}, \"stream\": true}" "$here" | tail -n 2 | head -n 1)
[ "$stream" = 'data: [DONE]' ] || { echo "curl: the stream ends with $stream" >&2; exit 1; }
echo "curl: stream"
expect "$(status --unix-socket "$folder/socket" http://localhost/metrics)" 200 "metrics"
grep -q '^argos_ai_model_slots{model="hermes"}' "$folder/out"
echo "all is well"
